"""Speak the labels, the replay sentences and the text-only test sets.

``python -m jobs.speech --config configs/demo.yaml``
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from harken.settings import PipelineSettings
from jobs.cli import run_job
from jobs.plan import Plan, Speech, require

if TYPE_CHECKING:
    import pyarrow as pa

    from jobs.flow import Actor


def speak_all(plan: Plan) -> dict[str, dict[str, Any]]:
    """Bring every speech stage of the run to completion; returns their records by stage name.

    Raises:
        HarkenError: the labels are not there yet, an unknown voice, a broken pronunciation file.
    """
    require([plan.labels])
    return {speech.stage.name: speak(plan.settings, speech) for speech in plan.speeches()}


def speak(settings: PipelineSettings, speech: Speech) -> dict[str, Any]:
    """Bring one speech stage to completion; returns its record."""
    from actors.speaker import SPEECH_SCHEMA, Speaker

    return synthesize(settings, speech, Speaker, SPEECH_SCHEMA)


def synthesize(
    settings: PipelineSettings, speech: Speech, factory: "Callable[..., Actor]", schema: "pa.Schema", **further: Any
) -> dict[str, Any]:
    """Bring a stage of actors that speak to completion; ``further`` are arguments beside those of `Speaker`."""
    from actors.pronunciation import load_pronunciations
    from actors.tts.backends import utterances_per_process
    from jobs.flow import run_stage

    lexicon = settings.keywords.pronunciations
    arguments = {
        "speech": settings.speech,
        "voices": speech.voices,
        "pronunciations": load_pronunciations(lexicon) if lexicon else {},
        **further,
    }
    chattts = settings.speech.chattts
    return run_stage(
        settings,
        speech.stage,
        speech.source,
        factory,
        arguments,
        schema,
        workers=settings.speech.workers,
        gpus_per_worker=settings.speech.gpus_per_worker,
        python=chattts.python if chattts else None,
        rows_per_process=utterances_per_process(settings.speech),
    )


def main(settings: PipelineSettings) -> None:
    """Run this stage of the pipeline."""
    speak_all(Plan(settings))


if __name__ == "__main__":
    sys.exit(run_job(main, PipelineSettings, __doc__ or ""))
