"""A small report with every part filled in, for the tests beside it."""

from harken.audio import encode_flac
from harken.report import (
    CategoryCoverage,
    CategoryRecall,
    CategoryRetention,
    CurvePoint,
    GeneralCheck,
    Hypothesis,
    Interval,
    JudgeCheck,
    JudgeReport,
    LabelReport,
    LabelRow,
    PlantedFault,
    ReportData,
    Span,
    SpeechReport,
    StageRun,
    TrainingReport,
    Utterance,
)
from harken.report.data import (
    BiasedSet,
    BiasingReport,
    CategoryF1,
    Customer,
    HeardTerm,
    LabelMention,
    PortraitReport,
    SuggestedProduct,
)
from tests.harken.report.speech import speechlike


def interval(value: float, width: float = 0.02) -> Interval:
    return {"value": value, "low": value - width, "high": value + width}


BASE = {
    "cer": 0.412,
    "cer_cn": 0.338,
    "cer_oth": 0.671,
    "wer": 0.583,
    "mer": 0.442,
    "ier": 0.604,
    "keyword_recall": 0.2,
}
ADAPTED = {
    "cer": 0.153,
    "cer_cn": 0.131,
    "cer_oth": 0.22,
    "wer": 0.262,
    "mer": 0.171,
    "ier": 0.24,
    "keyword_recall": 0.8,
}
SYSTEMS = {
    "base": {metric: interval(value) for metric, value in BASE.items()},
    "adapted": {metric: interval(value) for metric, value in ADAPTED.items()},
}
PAIRED = {"adapted": {metric: interval(ADAPTED[metric] - BASE[metric]) for metric in BASE}}


def utterance(number: int, audio: bytes | None = None) -> Utterance:
    return Utterance(
        id=f"test-{number}",
        reference="喜欢老花speedy 20",
        hypotheses={
            "base": Hypothesis("喜老话speed 20啊", cer=0.4, hits=(False, False)),
            "adapted": Hypothesis(
                "喜欢老花 speedy 20。",
                cer=0.0,
                hits=(True, True),
                terms=(
                    HeardTerm("speedy 20", "SERIES", 1.2, 2.0, 0.97, "applied", "in place of 斯必", 5, 14),
                    HeardTerm("neverfull", "SERIES", 2.1, 2.4, 0.61, "rejected", "the words sound different"),
                ),
            ),
        },
        spans=(Span(2, 4, "MATERIAL"), Span(4, 13, "SERIES")),
        speaker="cmn+f5",
        seconds=3.2,
        audio=audio,
    )


def sample() -> ReportData:
    recording = encode_flac(speechlike(seconds=0.5), 16_000)
    label = LabelRow(
        text="想看neverfull托特包",
        spans=(Span(2, 11, "SERIES"), Span(11, 14, "TYPE")),
        seeds=("客户喜欢老花",),
        speaker="cmn+f2",
        cer=0.1,
        verdict="kept",
        audio=recording,
    )
    return ReportData(
        title="Demo",
        subtitle="models/nano",
        systems=SYSTEMS,
        paired=PAIRED,
        general=GeneralCheck(
            {"base": {"cer": interval(0.121)}, "adapted": {"cer": interval(0.127)}},
            {"adapted": {"cer": {"value": 0.006, "low": -0.004, "high": 0.016}}},
            utterances=80,
        ),
        recalls=(
            CategoryRecall("SERIES", 40, {"base": 0.1, "adapted": 0.9}),
            CategoryRecall("SOCIAL", 0, {"base": None, "adapted": None}),
        ),
        biasing=BiasingReport(
            879,
            (
                BiasedSet(
                    "domain",
                    "biased",
                    "base",
                    {"base": {"mer": interval(0.5)}, "biased": {"mer": interval(0.4)}},
                    {"biased": {"mer": interval(-0.1)}},
                    {"applied": 30, "already right": 9, "rejected": 1},
                    {"the words sound different": 1},
                ),
            ),
        ),
        portraits=PortraitReport(
            {"base": {"f1": interval(0.31)}, "adapted": {"f1": interval(0.77)}},
            {"adapted": {"f1": interval(0.46)}},
            (CategoryF1("BRAND", 12, {"base": 0.25, "adapted": 0.75}), CategoryF1("AGE", 0, {"base": None})),
            spelled_f1={"base": 0.29, "adapted": 0.71},
            system="adapted",
            customers=(
                Customer(
                    "test-1",
                    "想要古驰，不要黑色",
                    (LabelMention("BRAND", "gucci", 2, 4), LabelMention("COLOUR", "黑色", 7, 9, refused=True)),
                    suggestions=(SuggestedProduct("HK-009", "gucci ophidia", 0.625, ("gucci",)),),
                ),
                Customer("test-2", "今天天气很好"),
            ),
            total=200,
        ),
        utterances=(utterance(1, recording), utterance(2)),
        labels=LabelReport(
            960, (label,), (CategoryCoverage("SERIES", 408, 300, 900), CategoryCoverage("NONE", 0, 0, 0))
        ),
        speech=SpeechReport((2.5, 3.5, 9.0), {"cmn+f2": 3}, {"noise": 1}),
        judge=JudgeReport(
            (0.0, 0.1, 0.2, 1.4),
            0.15,
            2,
            {"CER above 0.15": 2},
            (CategoryRetention("SERIES", 9, 6),),
            carrier_cers=(0.0, 0.0, 0.1, 0.9),
            method="carrier",
            check=JudgeCheck(interval(0.97), interval(0.92), 1, (PlantedFault("noise", 40, 37, interval(0.925)),)),
        ),
        training=TrainingReport((CurvePoint(1, 3.0, None), CurvePoint(10, 1.0, 0.3)), {"epochs": "4"}),
        stages=(
            StageRun("labels", 2.0, rows=960, failed=0),
            StageRun("speech", 70.0, rows=960, failed=1, failures={"speech longer than max_seconds": 1}),
        ),
        config_yaml="model: models/nano\n",
        provenance={"command": "python -m jobs.pipeline", "versions": {"ray": "2.60.0"}},
        notes=("Synthetic speech only.",),
    )
