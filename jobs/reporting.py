"""Collecting what the report shows from the stages of a run."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from actors.augmenter import kinds
from harken.config import dump_yaml
from harken.forgetting import Forgetting
from harken.keywords import KeywordMatcher, load_keywords
from harken.provenance import provenance
from harken.records import OK, Row, generator, read_manifest, read_parquet
from harken.report.data import (
    CategoryCoverage,
    CategoryRecall,
    CategoryRetention,
    CurvePoint,
    GeneralCheck,
    JudgeReport,
    LabelReport,
    LabelRow,
    ReportData,
    SpeechReport,
    StageRun,
    TrainingReport,
    Utterance,
)
from harken.settings import PipelineSettings
from harken.stages import Stage, cause
from jobs.biased_figures import biasing_report, heard_terms
from jobs.customers import portrait_report
from jobs.labels import coverage
from jobs.plan import Plan
from jobs.planted import check
from jobs.scoring import Scores
from jobs.utterances import keyword_spans, utterance, worst_places

# More labels than a person reads; the Parquet holds them all.
LABELS_SHOWN = 200


def report_data(
    plan: Plan,
    matcher: KeywordMatcher,
    scored: Mapping[str, Scores],
    summary: Mapping[str, Mapping[str, Any]],
    paired: Mapping[str, Any],
    gates: Mapping[str, Forgetting],
    biasing: Mapping[str, Any] | None = None,
) -> ReportData:
    """Everything the run left, as the report wants it; ``biasing`` is what `jobs.biased_figures` found."""
    settings = plan.settings
    domain = scored["domain"]
    general = scored.get("general")
    systems = {
        name: {k: v for k, v in metrics.items() if not k.startswith("general_")} for name, metrics in summary.items()
    }
    return ReportData(
        title=f"Harken: {settings.run.output.name}",
        subtitle=f"{settings.model}, {len(domain.utterances)} held-out utterances",
        systems=systems,
        paired=paired,
        general=GeneralCheck(
            systems=general.intervals,
            paired=general.paired,
            utterances=len(general.utterances),
            gates=gates,
        )
        if general
        else None,
        recalls=[CategoryRecall(category, *figures) for category, figures in domain.recall_by_category().items()],
        biasing=biasing_report(biasing, scored),
        portraits=portrait_report(plan),
        utterances=_utterances(plan, matcher, domain),
        labels=_labels(plan, matcher),
        speech=_speech(plan),
        judge=_judge(plan),
        training=_training(plan),
        stages=[_stage_run(stage) for stage in plan.stages()[:-1]],
        config_yaml=dump_yaml(settings),
        provenance=provenance(),
        notes=_notes(settings),
        language=settings.decoding.language,
    )


def _utterances(plan: Plan, matcher: KeywordMatcher, domain: Scores) -> list[Utterance]:
    settings = plan.settings
    terms = heard_terms(plan)
    places = range(len(domain.utterances))
    drawn = generator("report", settings.run.seed).sample(places, min(settings.evaluate.audio_samples, len(places)))
    worst = set(worst_places(domain, domain.systems[-1], settings.evaluate.worst_samples))
    audible = worst.union(drawn)
    return [
        utterance(domain, place, domain.systems, matcher, audible=place in audible, worst=place in worst, terms=terms)
        for place in places
    ]


def _labels(plan: Plan, matcher: KeywordMatcher) -> LabelReport:
    settings = plan.settings
    rows = list(plan.labels.rows(["id", "text", "keywords", "sentences", "status"]))
    verdicts = {row["id"]: row for row in plan.verdicts.rows(["id", "cer", "verdict"])}
    speakers = {row["id"]: row["speaker"] or "" for row in plan.speech.stage.rows(["id", "speaker"])}
    audio = _label_audio(plan)
    seeds = {row["id"]: row["text"] for row in read_manifest(settings.labels.seeds)}
    keywords = load_keywords(settings.keywords.path, settings.keywords.categories)
    drawn = generator("labels", settings.run.seed).sample(rows, min(LABELS_SHOWN, len(rows)))
    heard_first = sorted(drawn + [row for row in rows if row["id"] in audio], key=lambda row: row["id"] not in audio)
    return LabelReport(
        total=len(rows),
        rows=[
            LabelRow(
                text=row["text"],
                spans=keyword_spans(matcher, row["text"]),
                seeds=[seeds.get(seed, seed) for seed in row["sentences"]],
                speaker=speakers[row["id"]],
                cer=verdicts[row["id"]]["cer"],
                verdict=verdicts[row["id"]]["verdict"],
                audio=audio.get(row["id"]),
            )
            for row in {row["id"]: row for row in heard_first}.values()
        ],
        coverage=[
            CategoryCoverage(category, terms=figures["terms"], used=figures["covered"], mentions=figures["mentions"])
            for category, figures in coverage(rows, keywords).items()
        ],
    )


def _label_audio(plan: Plan) -> dict[str, bytes]:
    # From the first part only: reading the audio of 100,000 rows to play a dozen would take minutes.
    rows = [row for row in read_parquet(plan.speech.stage.part(0), ["id", "audio"]) if row["audio"]]
    return {row["id"]: row["audio"] for row in rows[: plan.settings.evaluate.audio_samples]}


def _speech(plan: Plan) -> SpeechReport:
    rows = [
        row for row in plan.speech.stage.rows(["duration", "speaker", "augmentation", "status"]) if row["status"] == OK
    ]
    augmentation = Counter(kind for row in rows for kind in kinds(json.loads(row["augmentation"] or "{}")))
    return SpeechReport(
        durations=[row["duration"] for row in rows],
        voices=dict(Counter(row["speaker"] for row in rows).most_common()),
        augmentation=dict(augmentation.most_common()),
    )


def _judge(plan: Plan) -> JudgeReport:
    rows = list(plan.verdicts.rows())
    labels = {row["id"]: row for row in plan.labels.rows(["id", "keywords"])}
    before, after = (_mentions(labels, chosen) for chosen in (rows, [row for row in rows if row["verdict"] == "keep"]))
    return JudgeReport(
        cers=[row["cer"] for row in rows if row["cer"] is not None],
        carrier_cers=[row["carrier_cer"] for row in rows if row["carrier_cer"] is not None],
        method=plan.settings.judge.method,
        check=check(plan),
        threshold=plan.settings.judge.threshold,
        kept=sum(row["verdict"] == "keep" for row in rows),
        rejected=dict(Counter(cause(row["reason"]) for row in rows if row["verdict"] != "keep").most_common()),
        retention=[CategoryRetention(category, before[category], after[category]) for category in sorted(before)],
    )


def _mentions(labels: Mapping[str, Row], rows: list[Row]) -> Counter[str]:
    return Counter(keyword["category"] for row in rows for keyword in labels[row["id"]]["keywords"])


def _training(plan: Plan) -> TrainingReport:
    record = plan.finetune.record()
    curve = json.loads((plan.finetune.directory / "curve.json").read_text(encoding="utf-8"))
    # Real rows say more than synthetic ones, where there are any.
    cers = [point.get("dev_real_cer", point.get("dev_cer")) for point in curve]
    points = [CurvePoint(point["step"], point.get("train_loss"), cer) for point, cer in zip(curve, cers, strict=True)]
    return TrainingReport(points, {name: str(value) for name, value in record["facts"].items()})


def _stage_run(stage: Stage) -> StageRun:
    record = stage.record()
    return StageRun(
        name=stage.name,
        seconds=record["seconds"],
        rows=record.get("rows"),
        failed=record.get("failed"),
        failures=record.get("failures", {}),
    )


def _notes(settings: PipelineSettings) -> list[str]:
    notes = []
    if "hanlp" in settings.evaluate.segmenters:
        model = settings.evaluate.hanlp_model
        notes.append(f"IER is the mean over the segmenters {' and '.join(settings.evaluate.segmenters)} ({model}).")
    else:
        notes.append("IER is the mean over segmenters; this run used jieba only (the paper used jieba and HanLP).")
    if settings.model == "models/nano":
        notes.append("The embedded nano-Whisper understands synthetic speech only: read trends, not absolute rates.")
    return notes
