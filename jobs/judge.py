"""Let un-tuned recognisers judge the synthetic speech: ``python -m jobs.judge --config configs/demo.yaml``.

Hearing and judging are two stages: a new threshold reuses what was heard. ``--set judge.planted=50`` also plants 50
takes with each kind of fault, which no training reads, and tells how many of them the judge catches.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any

from harken.keywords import load_keywords
from harken.records import OK, read_manifest
from harken.settings import PipelineSettings
from harken.sources import Parts
from harken.stages import Stage
from jobs.cli import run_job
from jobs.plan import Plan, Speech, require

if TYPE_CHECKING:
    from actors.recogniser import Recogniser

# Rows whose median pace is taken as usual.
PACED_ROWS = 1000
# Below this, starting actors takes longer than comparing the strings of every shard.
SHARDS_IN_PROCESS = 200
# Whisper's language codes that espeak-ng calls otherwise.
ESPEAK_LANGUAGES = {"zh": "cmn", "no": "nb", "iw": "he"}


def judge_speech(plan: Plan) -> dict[str, Any]:
    """Bring the hypotheses and the verdicts to completion, of planted faults as well; returns the verdicts' record.

    Raises:
        HarkenError: the speech is not there yet, a wrong model folder, or a server that does not answer.
    """
    require([plan.speech.stage])
    record = _judge(plan, plan.speech, plan.verdicts)
    if plan.planted and plan.planted_verdicts:
        from jobs.planted import plant_faults, tell

        plant_faults(plan, plan.planted)
        _judge(plan, plan.planted, plan.planted_verdicts)
        tell(plan)
    return record


def _judge(plan: Plan, speech: Speech, verdicts: Stage) -> dict[str, Any]:
    from actors.judge import SECOND, VERDICT_SCHEMA, Judge
    from jobs.flow import run_stage

    settings = plan.settings
    heard = {system: transcribe(plan, speech, system) for system in plan.judges}
    beside = {column: speech.stage.parts() for column in ("text", "duration", "style")}
    stored_as = {}
    if "second" in heard:
        stored_as = {f"{SECOND}{column}": column for column in ("hypothesis", "truncated", "status")}
        beside |= dict.fromkeys(stored_as, heard["second"].parts())
    source = Parts(heard["base"].parts(), beside=beside, stored_as=stored_as)
    arguments = {} if verdicts.complete() else _arguments(plan)
    workers = 0 if verdicts.shards < SHARDS_IN_PROCESS else settings.decoding.workers
    return run_stage(settings, verdicts, source, Judge, arguments, VERDICT_SCHEMA, workers=workers)


def _arguments(plan: Plan) -> dict[str, Any]:
    from actors.evidence import Examiner
    from actors.pronunciation import load_pronunciations

    settings = plan.settings
    keywords = load_keywords(settings.keywords.path, settings.keywords.categories)
    lexicon = settings.keywords.pronunciations
    common: dict[str, Any] = {
        "keywords": keywords,
        "pronunciations": load_pronunciations(lexicon) if lexicon else {},
        "language": phonetic_language(settings.decoding.language),
    }
    usual_pace = None
    if settings.judge.method == "carrier":
        spoken = plan.speech.stage.rows(["id", "text", "duration", "style", "status"])
        paced = islice((row for row in spoken if row["status"] == OK), PACED_ROWS)
        usual_pace = Examiner(**common).typical_pace(paced)
    return {"settings": settings.judge, **common, "usual_pace": usual_pace, "test_texts": test_texts(settings)}


def phonetic_language(language: str) -> str:
    """espeak-ng's code for one of Whisper's."""
    return ESPEAK_LANGUAGES.get(language, language)


def transcribe(plan: Plan, speech: Speech, system: str) -> Stage:
    """Bring to completion what ``system`` ('base', 'second' or 'adapted') hears in a set of utterances."""
    from actors.recogniser import HYPOTHESIS_SCHEMA
    from jobs.flow import run_stage

    settings, decoding = plan.settings, plan.settings.decoding
    stage = plan.hypotheses(speech, system)
    second = settings.judge.second if system == "second" else None
    factory: Callable[..., Recogniser]
    arguments: dict[str, Any]
    if second and second.server:
        from actors.served_recogniser import ServedRecogniser

        factory, arguments, gpus = ServedRecogniser, {"settings": second.server, "language": decoding.language}, 0.0
    else:
        from actors.transcriber import Transcriber

        factory, arguments, gpus = Transcriber, _whisper(plan, system), decoding.gpus_per_worker
    columns = ["id", "audio", "sample_rate", "status", "error"]
    run_stage(
        settings,
        stage,
        Parts(speech.stage.parts(), columns),
        factory,
        arguments,
        HYPOTHESIS_SCHEMA,
        workers=decoding.workers,
        gpus_per_worker=gpus,
    )
    return stage


def _whisper(plan: Plan, system: str) -> dict[str, Any]:
    decoding, second = plan.settings.decoding, plan.settings.judge.second
    model = plan.settings.model
    if system == "adapted":
        model = str(plan.adapted_model().absolute())
    elif system == "second" and second and second.model:
        model = second.model
    return {
        "model": model,
        "language": decoding.language,
        "batch_size": decoding.batch_size,
        "max_new_tokens": decoding.max_new_tokens,
        "device": decoding.device,
    }


def test_texts(settings: PipelineSettings) -> list[str]:
    """The texts of the held-out sets: a synthetic row that says the same is rejected, so no test leaks."""
    paths = [path for path in (settings.evaluate.domain, settings.evaluate.general) if path]
    return [row["text"] for path in paths for row in read_manifest(path)]


def main(settings: PipelineSettings) -> None:
    """Run this stage of the pipeline."""
    judge_speech(Plan(settings))


if __name__ == "__main__":
    sys.exit(run_job(main, PipelineSettings, __doc__ or ""))
