"""Brings the stages of a list of terms to completion (`jobs.glossary_stages`), in their order."""

from dataclasses import dataclass
from typing import Any

from compression.glossary.manifest import Description
from compression.search_model import SearchModel
from compression.storage import load_spotter
from harken.errors import HarkenError
from harken.glossary_settings import RECORDINGS, GlossarySettings
from harken.sources import Parts, RowGroups
from harken.stages import Stage
from jobs.flow import run_stage
from jobs.glossary_entries import take_entries, take_terms
from jobs.glossary_stages import GlossaryStages
from jobs.speaking import speak

# espeak-ng leaks a little with every opening (actors.tts.espeak), which reading does once a part.
_PARTS_PER_PROCESS = 1000


@dataclass(frozen=True)
class Recorded:
    """Recordings that were made: rows that say of which entries, and in the same order the parts with what is kept."""

    name: str
    source: RowGroups
    speech: Stage
    enrolments: Stage


def prepare(stages: GlossaryStages) -> list[Recorded]:
    """Bring every stage to completion.

    Raises:
        HarkenError: bad input that a stage found, or a model that is missing or does not fit.
    """
    run = stages.run
    # Known before hours of speaking.
    description(run)
    take_terms(stages)
    _read(stages)
    take_entries(stages)
    made = []
    for name, (speech, source) in stages.speech().items():
        _record(run, name, speech, source)
        enrolments = stages.enrolments(name, speech)
        _enrol(run, speech, enrolments)
        made.append(Recorded(name, source, speech, enrolments))
    return made


def description(run: GlossarySettings) -> Description:
    """What the run's glossary says of itself.

    Raises:
        HarkenError: a model that is missing, damaged or made for another.
    """
    from actors.enroller import describe

    spotter = load_spotter(run.spotter)
    return describe(run.model, spotter, SearchModel.load(run.search_folder, spotter), run.bits)


def _read(stages: GlossaryStages) -> None:
    from actors.pronunciation import load_pronunciations
    from actors.term_reader import READINGS_SCHEMA, TermReader

    settings, (stage, source) = stages.run.terms, stages.readings
    run_stage(
        stages.run,
        stage,
        source,
        TermReader,
        {
            "pronunciations": load_pronunciations(settings.pronunciations) if settings.pronunciations else {},
            "acronyms": settings.acronyms,
        },
        READINGS_SCHEMA,
        workers=stages.run.resources.reader_workers,
        rows_per_process=_PARTS_PER_PROCESS * stages.rows_per_shard,
    )


def _record(run: GlossarySettings, name: str, speech: Stage, source: RowGroups) -> dict[str, Any]:
    from actors.speech_rows import SPEECH_SCHEMA, RecordingReader

    workers = run.resources.speech_workers
    if name != RECORDINGS:
        return speak(run, speech, source, run.engines[name].speech, workers)
    longest = load_spotter(run.spotter).settings.encoder
    arguments = {"max_seconds": longest.window_frames / longest.frames_per_second}
    return run_stage(run, speech, source, RecordingReader, arguments, SPEECH_SCHEMA, workers=workers)


def _enrol(run: GlossarySettings, speech: Stage, enrolments: Stage) -> None:
    from actors.enroller import Enroller, enroller_schema

    arguments = {
        "model": run.model,
        "spotter": run.spotter.absolute(),
        "search": run.search_folder.absolute(),
        "bits": run.bits,
        "device": run.resources.device,
    }
    record = run_stage(
        run,
        enrolments,
        Parts(speech.absolute().parts(), ["id", "audio", "status", "error"]),
        Enroller,
        arguments,
        enroller_schema(description(run)),
        workers=run.resources.encoder_workers,
        gpus_per_worker=run.resources.encoder_gpus,
    )
    if record["failed"] == record["rows"]:
        causes = ", ".join(f"{name} {count}" for name, count in record["failures"].items())
        raise HarkenError(f"recordings of {enrolments.name}", f"all {record['rows']} failed", f"Causes: {causes}.")
