"""Make, change and search a glossary of up to millions of terms: ``python -m jobs.glossary COMMAND --config FILE``.

    build           the store of exactly the configuration's list of terms, and a report of what a curator should see
    update          the same in a store that is there: speaks what is new, removes what is gone, keeps all else
    add TERMS       the terms of another list as well; other spellings of what is there are added to it
    remove TERMS    the terms of a list
    compact         rewrite what was added and removed since as one, and forget older versions
    inspect         what the store holds, and whether every byte of it is as it was written (--verify)
    search AUDIO    the terms that a recording says, where, and how sure that is

Enrolment is a flow of stages: killed and run again it goes on where it was. The run's folder holds store/,
report.json and report.html; those of `add` are named after the list.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compression.glossary.store import GlossaryStore
from harken.config import dump_yaml
from harken.glossary_settings import GlossarySettings
from harken.glossary_terms import read_glossary
from jobs.cli import BAD_INPUT, run_job
from jobs.flow import exclusive
from jobs.glossary_enrolled import note_voices
from jobs.glossary_entries import read_entries
from jobs.glossary_inspection import inspect
from jobs.glossary_preparation import prepare
from jobs.glossary_report import write_report
from jobs.glossary_search import search
from jobs.glossary_stages import GlossaryStages
from jobs.glossary_store import build_store, fill, open_store
from jobs.glossary_update import REPORT, update
from jobs.progress import note


def build(run: GlossarySettings) -> None:
    """Enrol the list and make the store of it, unless it is there.

    Raises:
        HarkenError: a broken list, models that do not fit, or whatever a stage finds.
    """
    stages = GlossaryStages(run)
    recorded = prepare(stages)
    stage, folder = stages.store([made.enrolments for made in recorded]), run.store_folder
    if stage.complete() and _as_built(folder, stage.record()["version"]):
        note(f"{stage.name}: skipped, {folder} holds {stage.record()['entries']} entries")
        return
    with exclusive(stage):
        stage.begin(dump_yaml(run))
        began = time.monotonic()
        entries = list(read_entries(stages))
        enrolled = build_store(run, folder, [entry for _, entry in entries], recorded)
        store = GlossaryStore(folder)
        write_report(stages, REPORT, entries, recorded, enrolled, store)
        manifest = store.manifest
        figures = {"version": manifest.version, "entries": manifest.entries}
        stage.finish(time.monotonic() - began, figures)


def add(run: GlossarySettings, terms: str) -> None:
    """Enrol another list and add it to the store as a new version.

    Raises:
        HarkenError: there is no store, other models made it, or as `build`.
    """
    store = open_store(run)
    stages = GlossaryStages(run, Path(terms))
    recorded = prepare(stages)
    entries = list(read_entries(stages))
    # First, so that a run that is cut here leaves no store that is said to be of voices that are not its own.
    note_voices(run, store.folder, all_of_it=False)
    enrolled = fill(store, [entry for _, entry in entries], recorded)
    write_report(stages, f"{REPORT}-{Path(terms).stem}", entries, recorded, enrolled, store)


def remove(run: GlossarySettings, terms: str) -> None:
    """Remove the terms of a list as a new version.

    Raises:
        HarkenError: there is no store, a broken list, or a term that the store does not have.
    """
    store = open_store(run)
    found = read_glossary(Path(terms), run.terms.skip_bad)
    manifest = store.remove([term.term for term in found.terms])
    note(f"store {store.folder}: {len(found.terms):,} terms removed, {manifest.entries:,} entries left")


def compact(run: GlossarySettings) -> None:
    """Rewrite the store as one segment and delete what only older versions need.

    Raises:
        HarkenError: there is no store, another process is changing it, or the disk is full.
    """
    store = open_store(run)
    before = store.sizes().total
    manifest = store.compact()
    store.prune()
    told = f"{store.sizes().total:,} bytes instead of {before:,}"
    note(f"store {store.folder}: version {manifest.version}, {manifest.entries:,} entries, {told}")


@dataclass(frozen=True)
class Command:
    """What follows ``python -m jobs.glossary``: what it does and what it is given beside the configuration."""

    run: Callable[..., None]
    places: Mapping[str, str] = field(default_factory=dict)
    switches: Mapping[str, str] = field(default_factory=dict)


_LIST = {"terms": "the list, in any form that a glossary's list has"}
_JSON = {"json": "print one JSON object"}
COMMANDS = {
    "build": Command(build),
    "update": Command(update),
    "add": Command(add, _LIST),
    "remove": Command(remove, _LIST),
    "compact": Command(compact),
    "inspect": Command(inspect, switches=_JSON | {"verify": "read every byte and compare it with its digest"}),
    "search": Command(search, {"audio": "a recording of any length (WAV, FLAC, OGG, MP3)"}, _JSON),
}


def main(arguments: Sequence[str]) -> int:
    """Run a command; returns the exit code as `jobs.cli.run_job`."""
    name = arguments[0] if arguments else ""
    command = COMMANDS.get(name)
    if command is None:
        asked = name in ("-h", "--help")
        usage = f"usage: python -m jobs.glossary {{{','.join(COMMANDS)}}} ... --config FILE\n\n{__doc__}"
        print(usage, file=sys.stdout if asked else sys.stderr)
        return 0 if asked else BAD_INPUT
    description = (command.run.__doc__ or "").partition("\n")[0]
    program = f"python -m jobs.glossary {name}"
    return run_job(
        command.run,
        GlossarySettings,
        description,
        arguments[1:],
        switches=command.switches,
        places=command.places,
        program=program,
    )


def _as_built(folder: Path, version: int) -> bool:
    return folder.is_dir() and GlossaryStore(folder).manifest.version == version


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
