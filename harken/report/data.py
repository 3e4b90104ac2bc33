"""What a report is made of: plain values that a job fills in; `page.render_report` only presents them.

Everything beyond the title and the systems may be missing. ``None`` for a part says that its stage was not
part of the run, an empty sequence says that it ran and had no rows; the page words the two differently.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harken.forgetting import Forgetting

Interval = Mapping[str, float | None]
"""``{"value": x, "low": l, "high": h}`` with a 95% bootstrap interval; any of the three may be None."""

Systems = Mapping[str, Mapping[str, Interval]]
"""``{system: {metric: Interval}}`` as in ``summary.json``; the first system is what the others are held against."""


@dataclass(frozen=True)
class Span:
    """A keyword mention: ``text[start:end]`` of the text it belongs to."""

    start: int
    end: int
    category: str


@dataclass(frozen=True)
class CategoryRecall:
    """Keyword recall in one category of the test set, per system; None where nothing was measured."""

    category: str
    mentions: int
    recall: Mapping[str, float | None]


@dataclass(frozen=True)
class GeneralCheck:
    """The forgetting check: the same systems on sentences without domain vocabulary, and their gates by system."""

    systems: Systems
    paired: Systems = field(default_factory=dict)
    utterances: int | None = None
    gates: Mapping[str, Forgetting] = field(default_factory=dict)


@dataclass(frozen=True)
class CategoryCoverage:
    """How much of one keyword category the labels use."""

    category: str
    terms: int
    used: int
    mentions: int


@dataclass(frozen=True)
class LabelRow:
    """One pseudo-label and, as far as they are known, what speech and judge made of it."""

    text: str
    spans: Sequence[Span] = ()
    seeds: Sequence[str] = ()
    speaker: str = ""
    cer: float | None = None
    verdict: str = ""
    audio: bytes | None = None


@dataclass(frozen=True)
class LabelReport:
    """``rows`` may be a sample of the ``total`` labels."""

    total: int
    rows: Sequence[LabelRow] = ()
    coverage: Sequence[CategoryCoverage] = ()


@dataclass(frozen=True)
class SpeechReport:
    """``durations`` in seconds, one per synthesised row; voices and augmentations with their number of rows."""

    durations: Sequence[float]
    voices: Mapping[str, int] = field(default_factory=dict)
    augmentation: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class CategoryRetention:
    """Keyword mentions of one category before the judge and among the rows it kept."""

    category: str
    before: int
    after: int


@dataclass(frozen=True)
class PlantedFault:
    """One kind of fault that was planted in good takes, and how many of them the judge rejected."""

    fault: str
    planted: int
    caught: int
    recall: Interval


@dataclass(frozen=True)
class JudgeCheck:
    """The judge on as many faulty as good takes; ``false_alarms`` is the number of good ones it rejected."""

    precision: Interval
    recall: Interval
    false_alarms: int
    faults: Sequence[PlantedFault]


@dataclass(frozen=True)
class JudgeReport:
    """Error rates of the judged rows, the threshold, and what became of the rows.

    ``cers`` are of whole sentences, ``carrier_cers`` of the text around their keywords. The threshold is on the
    latter when ``method`` is 'carrier', on the former when it is 'paper'.
    """

    cers: Sequence[float]
    threshold: float
    kept: int
    rejected: Mapping[str, int] = field(default_factory=dict)
    retention: Sequence[CategoryRetention] = ()
    carrier_cers: Sequence[float] = ()
    method: str = "paper"
    check: JudgeCheck | None = None


@dataclass(frozen=True)
class CurvePoint:
    """One point of the learning curve; either figure may be missing at a step."""

    step: int
    train_loss: float | None = None
    dev_cer: float | None = None


@dataclass(frozen=True)
class TrainingReport:
    """The learning curve and facts worth a line each, e.g. ``{"trainable parameters": "1.2 M of 6.7 M"}``."""

    curve: Sequence[CurvePoint]
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HeardTerm:
    """A term of the glossary that was detected in an utterance, and what became of it.

    Attributes:
        begins, ends: seconds of the recording.
        probability: of the detection.
        outcome: 'applied', 'already right' or 'rejected'.
        why: in words, with the evidence.
        start, end: characters of the hypothesis that are the term because of the glossary; None where none are.
    """

    term: str
    category: str
    begins: float
    ends: float
    probability: float
    outcome: str
    why: str
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True)
class Hypothesis:
    """What one system heard; ``hits`` tells, span by span of the reference, whether the keyword is right.

    ``terms``: what was detected of a glossary; None for a system that has none.
    """

    text: str
    cer: float | None = None
    hits: Sequence[bool] = ()
    terms: Sequence[HeardTerm] | None = None


@dataclass(frozen=True)
class Utterance:
    """One test utterance; ``audio`` is FLAC (or WAV, OGG, MP3) bytes for those that can be listened to.

    ``worst`` marks those of the last system's highest error rates; they are shown apart, worst first.
    """

    id: str
    reference: str
    hypotheses: Mapping[str, Hypothesis]
    spans: Sequence[Span] = ()
    speaker: str = ""
    seconds: float | None = None
    audio: bytes | None = None
    worst: bool = False


def change_of(utterance: Utterance) -> str:
    """'better', 'worse' or 'same': the last system's CER against the first's; 'unknown' without both."""
    rates = [hypothesis.cer for hypothesis in utterance.hypotheses.values()]
    if len(rates) < 2 or rates[0] is None or rates[-1] is None:
        return "unknown"
    if rates[-1] == rates[0]:
        return "same"
    return "better" if rates[-1] < rates[0] else "worse"


@dataclass(frozen=True)
class BiasedSet:
    """What biasing changed in one test set, and what became of the detected terms.

    Attributes:
        name: of the set.
        system: that is biased, and ``than`` the same without.
        systems: those two.
        paired: of ``system``, the difference to ``than``.
        outcomes: detected terms by what became of them, in all utterances.
        refused: rejected terms by reason.
    """

    name: str
    system: str
    than: str
    systems: Systems
    paired: Systems
    outcomes: Mapping[str, int]
    refused: Mapping[str, int]


@dataclass(frozen=True)
class BiasingReport:
    """Biasing by a glossary: ``sets`` has every set of every biased system."""

    entries: int
    sets: Sequence[BiasedSet]


@dataclass(frozen=True)
class CategoryF1:
    """F1 of the portrait labels of one category, per system; ``labels`` is how many were said."""

    category: str
    labels: int
    f1: Mapping[str, float | None]


@dataclass(frozen=True)
class SuggestedProduct:
    """A product, its score from 0 to 1, and the labels that caused it."""

    product: str
    name: str
    score: float
    causes: Sequence[str]


@dataclass(frozen=True)
class LabelMention:
    """A portrait label that the customer wants or is (``refused``: does not want); ``text[start:end]`` says so."""

    category: str
    label: str
    start: int
    end: int
    refused: bool = False
    by_sound: bool = False


@dataclass(frozen=True)
class Customer:
    """What one transcript says about a customer: labels in order of mention, and suggestions, best first.

    ``error`` is why the transcript could not be read, when it could not.
    """

    id: str
    text: str
    mentions: Sequence[LabelMention] = ()
    suggestions: Sequence[SuggestedProduct] = ()
    error: str | None = None


@dataclass(frozen=True)
class PortraitReport:
    """How right the labels of customer portraits are: of the domain test set, or of given transcripts.

    Attributes:
        systems, paired: F1, precision, recall and macro F1 of the labels, and their paired differences.
        categories: F1 by category.
        spelled_f1: F1 without what was found by sound, per system; None where it was not looked for.
        customers: a sample of what ``system`` heard; ``total`` is how many there are.
    """

    systems: Systems
    paired: Systems
    categories: Sequence[CategoryF1]
    spelled_f1: Mapping[str, float | None] | None = None
    system: str = ""
    customers: Sequence[Customer] = ()
    total: int = 0


@dataclass(frozen=True)
class CustomerReport:
    """Everything `customers.render_customers` can show: the portraits of given transcripts, outside of a run.

    Attributes:
        customers: all of them; the page shows the first and counts every one.
        rates: the labels held against references; None where none were given.
        language: BCP 47 tag of the transcripts.
    """

    title: str
    customers: Sequence[Customer]
    subtitle: str = ""
    rates: PortraitReport | None = None
    config_yaml: str = ""
    provenance: Mapping[str, object] = field(default_factory=dict)
    language: str = "zh"


@dataclass(frozen=True)
class StageRun:
    """One stage of the run; ``seconds`` is the time its rows took in whichever run made them."""

    name: str
    seconds: float | None = None
    rows: int | None = None
    failed: int | None = None
    failures: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportData:
    """Everything `page.render_report` can show.

    Attributes:
        systems: the metrics of `measures.MEASURES` per system on the domain test set.
        paired: ``{system: {metric: Interval}}`` of the difference to the first system, bootstrapped over the
            same resampled utterances; without it the page compares the systems' own intervals.
        recalls: keyword recall by category on the domain test set.
        utterances: the domain test set, all of it if possible (the CER histogram counts what is here).
        language: BCP 47 tag of labels and transcripts; picks fonts and the voice of a screen reader.
        notes: what a reader must know before trusting a figure, one sentence each.
        provenance: the record of `harken.provenance.provenance`; nested mappings become lists.
        subtitle: one line below the title, e.g. the model and the test set.
    """

    title: str
    systems: Systems
    subtitle: str = ""
    paired: Systems = field(default_factory=dict)
    general: GeneralCheck | None = None
    recalls: Sequence[CategoryRecall] | None = None
    biasing: BiasingReport | None = None
    portraits: PortraitReport | None = None
    utterances: Sequence[Utterance] | None = None
    labels: LabelReport | None = None
    speech: SpeechReport | None = None
    judge: JudgeReport | None = None
    training: TrainingReport | None = None
    stages: Sequence[StageRun] | None = None
    config_yaml: str = ""
    provenance: Mapping[str, object] = field(default_factory=dict)
    notes: Sequence[str] = ()
    language: str = "zh"
