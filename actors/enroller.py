"""What a glossary keeps of a recording of a term: compressed frames in few bits, its span, its background scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from actors.recording_encoder import RecordingEncoder
from compression.features import encoder_shape
from compression.frames import Frames
from compression.glossary.entry import Enrolment
from compression.glossary.manifest import Description, Models
from compression.glossary.rows import enrolment_schema, pack_enrolments
from compression.quantisation import Bits, dequantise, quantise
from compression.search_model import SearchModel
from compression.spotter import Spotter
from compression.storage import load_spotter
from harken.digests import model_digest
from harken.records import FAILED, OK, Row
from harken.whisper import Device

_COMPRESSED_AT_ONCE = 64
STORED = ("codes", "scales", "span", "statistics")
"""The columns of an enrolment row that hold what is stored (`compression.glossary.rows`)."""


@dataclass(frozen=True)
class Recording:
    """A recording of a term as it will be searched for.

    Attributes:
        frames: float32 (layers, frames, size), with what quantisation made of them.
        span: float32 (D,), the span embedding of these frames.
        statistics: float32 (2,), mean and deviation of their best path score over the cohort.
    """

    frames: NDArray[Any]
    span: NDArray[Any]
    statistics: NDArray[Any]

    def of(self, entry_id: int, voice: str) -> Enrolment:
        """The enrolment of an entry."""
        return Enrolment(entry_id, voice, self.frames, self.span, self.statistics)


class Enroller(RecordingEncoder):
    """Rows ``{"id", "audio"[, "status", "error"]}`` in, rows of `enroller_schema` out, in the same order.

    What is stored of a recording depends on nothing but the recording (up to the last bits of float32, which depend
    on the batch). A row that failed earlier stays failed with its error; one that fails here has a cause of
    `RecordingEncoder.encode`.

    Args:
        model: folder or hub id of the Whisper.
        spotter: folder of the spotter.
        search: folder of the search model.
        bits: of a stored value.
        device: of the encoder and the spotter; spans and scores are computed on the CPU.

    Raises:
        HarkenError: a missing, damaged or wrong model, spotter or search model.
    """

    def __init__(
        self,
        model: str,
        spotter: Path,
        search: Path,
        bits: Bits,
        device: Device = "auto",
        batch_size: int = 16,
        threads: int = 1,
    ) -> None:
        self.spotter = load_spotter(spotter)
        self.search_model = SearchModel.load(search, self.spotter)
        self.description = describe(model, self.spotter, self.search_model, bits)
        settings = self.spotter.settings
        longest = settings.verifier.keyword_seconds
        super().__init__(model, settings.layers, settings.enrolment, "keyword", longest, device, batch_size, threads)
        self.spotter.check_encoder(encoder_shape(self.whisper))
        self.spotter.to(self.whisper.device)

    def __call__(self, rows: list[Row]) -> list[Row]:
        outcomes = self.enrol(rows)
        recordings = [outcome.of(0, "") for outcome in outcomes if isinstance(outcome, Recording)]
        stored = iter(pack_enrolments(recordings, self.description).select(list(STORED)).to_pylist())
        results: list[Row] = []
        for row, outcome in zip(rows, outcomes, strict=True):
            if isinstance(outcome, str):
                failed: Row = dict.fromkeys(STORED) | {"frames": None, "status": FAILED, "error": outcome}
                results.append({"id": row["id"]} | failed)
            else:
                made = {"frames": outcome.frames.shape[1], "status": OK, "error": None}
                results.append({"id": row["id"]} | next(stored) | made)
        return results

    def enrol(self, rows: Sequence[Row]) -> list[Recording | str]:
        """Of each row its recording, or why there is none."""
        outcomes = self.encode(rows)
        encoded = [outcome for outcome in outcomes if isinstance(outcome, Tensor)]
        made = iter(recordings_of(self.compress(encoded), self.search_model, self.description.bits))
        return [outcome if isinstance(outcome, str) else next(made) for outcome in outcomes]

    def compress(self, encoded: Sequence[Tensor]) -> list[Tensor]:
        """Kept frames, float32 (layers, frames', size) on the CPU, of hidden states (layers, frames, width)."""
        kept: list[Tensor] = []
        with torch.inference_mode():
            for start in range(0, len(encoded), _COMPRESSED_AT_ONCE):
                batch = Frames.stack(list(encoded[start : start + _COMPRESSED_AT_ONCE]))
                kept += [frames.float().cpu() for frames in self.spotter.compress(batch)[0].unstack()]
        return kept


def recordings_of(kept: Sequence[Tensor], search_model: SearchModel, bits: Bits) -> list[Recording]:
    """Recordings of kept frames (layers, frames, size); spans and scores are those of the values that are stored."""
    if not kept:
        return []
    stored = [torch.from_numpy(dequantise(quantise(frames.numpy(), bits))) for frames in kept]
    spans = search_model.spans.embed(stored).numpy()
    statistics = search_model.background_statistics(stored).numpy()
    return [
        Recording(frames.numpy(), span, scores) for frames, span, scores in zip(stored, spans, statistics, strict=True)
    ]


def describe(model: str, spotter: Spotter, search_model: SearchModel, bits: Bits) -> Description:
    """What a glossary made with these models says of itself."""
    return Description(
        models=Models(encoder=model_digest(model), spotter=spotter.fingerprint(), search=search_model.fingerprint()),
        layers=len(spotter.settings.layers),
        size=spotter.settings.frame_size,
        bits=bits,
        span_size=search_model.settings.spans.size,
    )


def enroller_schema(description: Description) -> pa.Schema:
    """The columns of an `Enroller`'s rows: what is stored, as `compression.glossary.rows` has it, and what became."""
    stored = enrolment_schema(description)
    kept = [stored.field(name) for name in STORED]
    ends = [("frames", pa.int32()), ("status", pa.string()), ("error", pa.string())]
    return pa.schema([("id", pa.string()), *kept, *ends])
