"""Brings the stages of a set to completion (`jobs.keyword_sets`), in their order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from harken.model_folder import locate_model
from harken.records import Row, read_parquet, write_parquet
from harken.settings import SpeechSettings
from harken.sources import Parts
from harken.spotting_settings import SpottingSettings
from harken.stages import Stage
from jobs.flow import run_stage
from jobs.keyword_inventory import take_inventory
from jobs.keyword_sets import KeywordSet, Utterances

ROW_SCHEMA = pa.schema([(name, pa.string()) for name in ("id", "text", "language", "audio_path")])


def prepare(keyword_set: KeywordSet) -> None:
    """Bring every stage of a set to completion.

    Raises:
        HarkenError: bad input that an actor found, or a set without terms or utterances.
    """
    run = keyword_set.run
    for corpus in keyword_set.utterances:
        _utter(run, corpus)
        if corpus.units is not None:
            _align(run, corpus, corpus.units)
    take_inventory(keyword_set)
    for engine, settings in keyword_set.settings.engines.items():
        spoken = keyword_set.spoken(engine)
        if spoken is not None:
            _speak(run, *spoken, settings.speech)
    if keyword_set.cuts is not None:
        _cut(run, *keyword_set.cuts)
    for corpus in keyword_set.utterances:
        _encode(run, corpus.stage, corpus.frames, "utterance")
    for name, speech in keyword_set.recordings().items():
        _encode(run, speech, keyword_set.frames(name, speech), "keyword")


def _utter(run: SpottingSettings, corpus: Utterances) -> None:
    if not corpus.source.path.exists():
        write_parquet(corpus.source.path, corpus.rows, ROW_SCHEMA)
    speech = corpus.settings.speech
    if speech is not None:
        _speak(run, corpus.stage, corpus.source, speech, timed=corpus.units is not None)
        return
    from actors.speech_rows import SPEECH_SCHEMA, RecordingReader

    _fan_out(run, corpus.stage, corpus.source, RecordingReader, {"max_seconds": _window_seconds(run)}, SPEECH_SCHEMA)


def _speak(run: SpottingSettings, stage: Stage, source: Any, speech: SpeechSettings, timed: bool = False) -> None:
    from actors.speaker import SPEECH_SCHEMA, Speaker
    from actors.timed_speaker import TIMED_SPEECH_SCHEMA, TimedSpeaker
    from actors.tts.backends import utterances_per_process

    run_stage(
        run,
        stage,
        source,
        TimedSpeaker if timed else Speaker,
        {"speech": speech, "voices": speech.voices, "pronunciations": {}},
        TIMED_SPEECH_SCHEMA if timed else SPEECH_SCHEMA,
        workers=run.resources.speech_workers,
        gpus_per_worker=speech.gpus_per_worker,
        python=speech.chattts.python if speech.chattts else None,
        rows_per_process=utterances_per_process(speech),
    )
