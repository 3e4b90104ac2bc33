"""Makes a search model for a spotter from what it keeps of a training set."""

from __future__ import annotations

from collections.abc import Callable

from compression.calibration import FEATURES, Calibration
from compression.codebook import spherical_centroids
from compression.cohort import Cohort
from compression.compressed import spliced
from compression.path_training import train_path_head
from compression.search_model import SearchModel, untrained_parts
from compression.span_corpus import SpanCorpus
from compression.span_examples import SpanExamples
from compression.span_training import neighbour_table, train_spans
from compression.spotter import Spotter
from harken.records import generator
from harken.search_settings import SearchSettings

# Until it is calibrated a model lets everything through.
_OPEN = Calibration((0.0,) * len(FEATURES), 0.0, -1.0, -1e9, 512, 512)


def train_search_model(
    spotter: Spotter, corpus: SpanCorpus, settings: SearchSettings, seed: int, tell: Callable[[str], None]
) -> SearchModel:
    """Train all parts but the calibration, which is fitted on other utterances (`calibrate`).

    Args:
        corpus: of the training set, compressed by `spotter`.
        seed: of every part.
        tell: is told what is going on.

    Raises:
        HarkenError: no occurrence of a term, or fewer spans than centroids.
    """
    located = corpus.located()
    spans, path_head = untrained_parts(settings.model, spotter, seed)
    training = settings.spans.model_copy(update={"seed": seed})
    examples = SpanExamples(located, spans, training)
    neighbours = neighbour_table(located, training)
    train_spans(
        spans, examples, neighbours, training, lambda epoch: tell(f"spans, epoch {epoch.number}: {epoch.loss:.3f}")
    )
    if path_head is not None:
        path = settings.path.model_copy(update={"seed": seed})
        loss = train_path_head(path_head, examples, neighbours, path, located.frames_per_second)
        tell(f"paths: {loss:.3f}")
    recordings = [located.recordings[name] for term in located.terms for name in located.names(term)]
    vectors = spans.embed(recordings + spliced(recordings, settings.codebook_splices, seed))
    names = generator("cohort", seed).sample(sorted(located.utterances), min(settings.cohort, len(located.utterances)))
    return SearchModel(
        settings.model,
        spotter.fingerprint(),
        spans,
        path_head,
        spherical_centroids(vectors, settings.centroids, seed),
        Cohort.pack([located.utterances[name] for name in names]),
        _OPEN,
    )
