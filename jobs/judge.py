"""Let un-tuned Whisper judge the synthetic speech: ``python -m jobs.judge --config configs/demo.yaml``.

Hearing and judging are two stages: a new threshold reuses what the model heard.
"""

import sys
from typing import Any

from harken.records import read_manifest
from harken.settings import PipelineSettings
from harken.sources import Parts
from harken.stages import Stage
from jobs.cli import run_job
from jobs.plan import Plan, Speech, require


def judge_speech(plan: Plan) -> dict[str, Any]:
    """Bring the hypotheses and the verdicts to completion; returns the verdicts' record.

    Raises:
        HarkenError: the speech is not there yet, or a wrong model folder.
    """
    from actors.judge import VERDICT_SCHEMA, Judge
    from jobs.flow import run_stage

    settings = plan.settings
    require([plan.speech.stage])
    heard = transcribe(plan, plan.speech, "base")
    source = Parts(heard.parts(), beside={"text": plan.speech.stage.parts(), "duration": plan.speech.stage.parts()})
    arguments = {"threshold": settings.judge.threshold, "test_texts": test_texts(settings)}
    # Comparing strings takes milliseconds a shard; starting actors for it would take longer.
    return run_stage(settings, plan.verdicts, source, Judge, arguments, VERDICT_SCHEMA, workers=0)


def transcribe(plan: Plan, speech: Speech, system: str) -> Stage:
    """Bring to completion what ``system`` ('base' or 'adapted') hears in a set of utterances."""
    from actors.transcriber import HYPOTHESIS_SCHEMA, Transcriber
    from jobs.flow import run_stage

    settings, decoding = plan.settings, plan.settings.decoding
    stage = plan.hypotheses(speech, system)
    arguments = {
        "model": settings.model if system == "base" else str(plan.adapted_model().absolute()),
        "language": decoding.language,
        "batch_size": decoding.batch_size,
        "max_new_tokens": decoding.max_new_tokens,
        "device": decoding.device,
    }
    columns = ["id", "audio", "sample_rate", "status", "error"]
    run_stage(
        settings,
        stage,
        Parts(speech.stage.parts(), columns),
        Transcriber,
        arguments,
        HYPOTHESIS_SCHEMA,
        workers=decoding.workers,
        gpus_per_worker=decoding.gpus_per_worker,
    )
    return stage


def test_texts(settings: PipelineSettings) -> list[str]:
    """The texts of the held-out sets: a synthetic row that says the same is rejected, so no test leaks."""
    paths = [path for path in (settings.evaluate.domain, settings.evaluate.general) if path]
    return [row["text"] for path in paths for row in read_manifest(path)]


def main(settings: PipelineSettings) -> None:
    """Run this stage of the pipeline."""
    judge_speech(Plan(settings))


if __name__ == "__main__":
    sys.exit(run_job(main, PipelineSettings, __doc__ or ""))
