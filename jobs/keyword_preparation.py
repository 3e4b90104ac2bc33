"""Brings the stages of a set to completion (`jobs.keyword_sets`), in their order."""

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from harken.records import write_parquet
from harken.sources import Parts, Source
from harken.spotting_settings import SpottingSettings
from harken.stages import Stage
from harken.unit_times import UNITS_TYPE
from jobs.flow import Actor, run_stage
from jobs.keyword_inventory import take_inventory
from jobs.keyword_sets import FRAMES, KeywordSet, Utterances
from jobs.speaking import speak

ROW_SCHEMA = pa.schema([(name, pa.string()) for name in ("id", "text", "language", "audio_path")])

# Of the aligned rows what the speech rows lack.
UNITS_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("units", UNITS_TYPE),
        ("confidence", pa.float64()),
        ("status", pa.string()),
        ("error", pa.string()),
    ]
)


def prepare(keyword_set: KeywordSet) -> None:
    """Bring every stage of a set to completion.

    Raises:
        HarkenError: bad input that an actor found, or a set without terms or utterances.
    """
    run = keyword_set.run
    prepare_inventory(keyword_set)
    for engine, settings in keyword_set.settings.engines.items():
        spoken = keyword_set.spoken(engine)
        if spoken is not None:
            speak(run, *spoken, settings.speech, run.resources.speech_workers)
    if keyword_set.cuts is not None:
        _cut(run, *keyword_set.cuts)
    if run.frames == "computed":
        return
    layers, seconds = run.stored_layers(keyword_set.encoder), _window_seconds(keyword_set)
    for corpus in keyword_set.utterances:
        _encode(run, corpus.stage, corpus.frames, "utterance", layers, seconds)
    for name, speech in keyword_set.recordings().items():
        _encode(run, speech, keyword_set.keyword_frames(name, speech), "keyword", layers, run.verifier.keyword_seconds)


def prepare_inventory(keyword_set: KeywordSet) -> None:
    """Bring the utterances of a set and its inventory to completion: what other sets must know of it.

    Raises:
        HarkenError: as `prepare`.
    """
    for corpus in keyword_set.utterances:
        _utter(keyword_set.run, corpus, _window_seconds(keyword_set))
        if corpus.units is not None:
            _align(keyword_set.run, corpus, corpus.units)
    take_inventory(keyword_set)


def _window_seconds(keyword_set: KeywordSet) -> float:
    return keyword_set.encoder.window_frames / keyword_set.encoder.frames_per_second


def _utter(run: SpottingSettings, corpus: Utterances, max_seconds: float) -> None:
    from actors.speech_rows import SPEECH_SCHEMA, RecordingReader

    if not corpus.source.path.exists():
        write_parquet(corpus.source.path, corpus.rows, ROW_SCHEMA)
    speech = corpus.settings.speech
    if speech is not None:
        timed = corpus.units is not None
        speak(run, corpus.stage, corpus.source, speech, run.resources.speech_workers, timed=timed)
    else:
        arguments = {"max_seconds": max_seconds}
        workers = run.resources.speech_workers
        run_stage(run, corpus.stage, corpus.source, RecordingReader, arguments, SPEECH_SCHEMA, workers=workers)


def _align(run: SpottingSettings, corpus: Utterances, units: Stage) -> None:
    from actors.aligner import Aligner

    arguments = {"model": run.model, "language": corpus.settings.language, "device": run.resources.device}
    _listen(run, units, Parts(corpus.stage.absolute().parts()), Aligner, arguments, UNITS_SCHEMA)


def _cut(run: SpottingSettings, stage: Stage, source: Source) -> None:
    from actors.cutter import Cutter
    from actors.speech_rows import SPEECH_SCHEMA

    run_stage(run, stage, source, Cutter, {}, SPEECH_SCHEMA, workers=run.resources.speech_workers)


def _encode(
    run: SpottingSettings, speech: Stage, frames: Stage, kind: str, layers: tuple[int, ...], max_seconds: float
) -> None:
    from actors.frame_writer import FRAMES_SCHEMA, FrameWriter

    arguments = {
        "model": run.model,
        "layers": layers,
        "enrolment": run.enrolment,
        "kind": kind,
        "folder": frames.absolute().directory / FRAMES,
        "max_seconds": max_seconds,
        "device": run.resources.device,
    }
    source = Parts(speech.absolute().parts(), ["id", "audio", "status", "error"])
    _listen(run, frames, source, FrameWriter, arguments, FRAMES_SCHEMA)


def _listen(
    run: SpottingSettings,
    stage: Stage,
    source: Source,
    factory: Callable[..., Actor],
    arguments: Mapping[str, Any],
    schema: pa.Schema,
) -> None:
    """A stage whose actors hold the Whisper."""
    run_stage(
        run,
        stage,
        source,
        factory,
        arguments,
        schema,
        workers=run.resources.encoder_workers,
        gpus_per_worker=run.resources.encoder_gpus,
    )
