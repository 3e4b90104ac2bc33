"""A search model with initial weights for a tiny spotter: what a glossary and its search need to be tried."""

import torch
import torch.nn.functional as F

from compression.calibration import Calibration
from compression.cohort import Cohort
from compression.frames import Frames
from compression.search_model import SearchModel, untrained_parts
from compression.spotter import Spotter
from harken.search_settings import SearchModelSettings, SpanSettings
from tests.tiny_spotter import recordings


def tiny_search_model(
    spotter: Spotter, path_size: int | None = None, centroids: int = 4, cohort: int = 3, seed: int = 0
) -> SearchModel:
    """Span vectors of 16 values, a few centroids, a cohort of noise; every stage lets nearly all through."""
    settings = SearchModelSettings(
        spans=SpanSettings(hidden=24, size=16, shortest_frames=2, length_ratio=1.3), path_size=path_size
    )
    spans, path_head = untrained_parts(settings, spotter, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        background = Frames.stack(recordings([30 + index for index in range(cohort)], seed + 100))
        utterances = spotter.compress(background)[0].unstack()
    return SearchModel(
        settings,
        spotter.fingerprint(),
        spans,
        path_head,
        F.normalize(torch.randn(centroids, settings.spans.size, generator=generator), dim=-1),
        Cohort.pack(utterances),
        Calibration((0.5, 1.0, 1.0, 0.0), -4.0, -1.0, -20.0, 64, 32),
    )
