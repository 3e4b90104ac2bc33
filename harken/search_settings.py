"""What a search of the glossary needs beside the spotter: span embeddings, codebook, cohort, calibration."""

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from harken.config import Fraction, Section


class SpanSettings(Section):
    """The vector of a stretch of kept frames, and the windows of an utterance that get one."""

    segments: PositiveInt = Field(6, description="equal parts of a span, each averaged: what keeps the order")
    hidden: PositiveInt = Field(256, description="hidden units")
    size: PositiveInt = Field(128, description="values of a span's vector")
    shortest_frames: PositiveInt = Field(3, description="kept frames of the shortest window")
    length_ratio: float = Field(1.2, gt=1.0, description="of one window length to the next, up to the longest term")


class SearchModelSettings(Section):
    """What decides the vectors and path scores that a glossary stores."""

    spans: SpanSettings = SpanSettings()
    path_size: PositiveInt | None = Field(
        32, description="values per frame and layer whose cosines make the path score; null: the kept frames' own"
    )


class SpanTrainingSettings(Section):
    """How span embeddings learn from windows of utterances and recordings of the terms said in them."""

    epochs: PositiveInt = 15
    batch: PositiveInt = Field(256, description="windows with a recording of their term in one step")
    learning_rate: PositiveFloat = 2e-3
    final_learning_rate: Fraction = Field(0.02, description="share of the rate that the cosine schedule ends at")
    weight_decay: NonNegativeFloat = 0.01
    temperature: PositiveFloat = Field(0.05, description="of the softmax over cosines")
    jitter_seconds: NonNegativeFloat = Field(0.08, description="borders of windows and recordings move by up to this")
    other_windows: PositiveInt = Field(256, description="any windows of the batch's utterances, right for no term")
    hard_negatives: NonNegativeInt = Field(2, description="wrong terms nearest to a window's term, for each window")
    nearest: PositiveInt = Field(32, description="terms by vector, and as many by sound, that hard negatives come from")
    phoneme_distance: PositiveInt = Field(2, description="phonemes that may differ at most from a neighbour by sound")
    splices: NonNegativeInt = Field(
        1, description="for each window recordings that begin or end as its term does and go on as another"
    )
    seed: int = 0


class PathTrainingSettings(Section):
    """How the path score's projection learns, where there is one."""

    steps: PositiveInt = 400
    batch: PositiveInt = Field(32, description="windows, each with a recording of its term and one of a neighbour")
    learning_rate: PositiveFloat = 2e-3
    temperature: PositiveFloat = 0.05
    context_seconds: NonNegativeFloat = Field(0.4, description="of the utterance on both sides of the term")
    seed: int = 0


class CalibrationSettings(Section):
    """How scores become a probability, and what a stage lets through."""

    stage_recall: float = Field(
        0.995, gt=0.0, lt=1.0, description="share of validation's said and findable terms that each stage must keep"
    )
    probability: Fraction = Field(0.02, description="a term is findable that has this if no stage leaves anything out")
    candidates: PositiveInt = Field(128, description="of each utterance that the probabilities are fitted on")
    background: NonNegativeInt = Field(
        12, description="recordings of silence and of noise, as many each, that the probabilities are fitted on as well"
    )
    penalty: NonNegativeFloat = Field(1e-3, description="L2, of weights of standardised features")


class SearchSettings(Section):
    """The search model of a run."""

    model: SearchModelSettings = SearchModelSettings()
    spans: SpanTrainingSettings = SpanTrainingSettings()
    path: PathTrainingSettings = PathTrainingSettings()
    centroids: PositiveInt = Field(512, description="of the coarse codebook over spans")
    codebook_splices: NonNegativeInt = Field(
        20_000, description="made-up terms beside the training recordings, so that it covers more than their words"
    )
    cohort: PositiveInt = Field(128, description="background utterances against which a term's scores are normed")
    enrolments: PositiveInt = Field(
        10_000, description="glossary that calibration and recall are for: all sets' terms and made-up ones up to this"
    )
    calibration: CalibrationSettings = CalibrationSettings()
