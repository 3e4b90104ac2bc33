"""A stage whose rows an engine speaks: texts in, speech rows out."""

from collections.abc import Callable
from typing import Any

from harken.settings import SpeechSettings
from harken.sources import Source
from harken.stages import Stage
from jobs.flow import Actor, Configuration, run_stage


def speak(
    run: Configuration, stage: Stage, source: Source, speech: SpeechSettings, workers: int, timed: bool = False
) -> dict[str, Any]:
    """Bring a stage of speech to completion; returns its record.

    Args:
        timed: keep when each unit of the text is said, for engines that know it.

    Raises:
        HarkenError: as `jobs.flow.run_stage`.
    """
    from actors.speaker import SPEECH_SCHEMA, Speaker
    from actors.timed_speaker import TIMED_SPEECH_SCHEMA, TimedSpeaker
    from actors.tts.backends import utterances_per_process

    factory: Callable[..., Actor] = TimedSpeaker if timed else Speaker
    return run_stage(
        run,
        stage,
        source,
        factory,
        {"speech": speech, "voices": speech.voices, "pronunciations": {}},
        TIMED_SPEECH_SCHEMA if timed else SPEECH_SCHEMA,
        workers=workers,
        gpus_per_worker=speech.gpus_per_worker,
        python=speech.chattts.python if speech.chattts else None,
        rows_per_process=utterances_per_process(speech),
    )
