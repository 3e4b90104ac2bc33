"""What a list of terms is about: its terms, cleaned; its entries, curated; which recordings of them are to be made.

terms.parquet             a row a term: id, term, category, language, spoken, audio
entries.parquet           a row an entry: phonemes, spellings, reading, flags, the entry that it contains
spoken-<engine>.parquet   a row for every recording that an engine makes; spoken-recordings.parquet: the user's own
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from actors.entries import EntryDraft, group_entries
from compression.glossary.entry import Entry, Spelling
from compression.glossary.rows import SPELLINGS
from harken.config import dump_yaml
from harken.curation import Candidate, Findings, curate
from harken.errors import HarkenError
from harken.glossary_settings import RECORDINGS, GlossarySettings
from harken.glossary_terms import GlossaryTerm, spelling_key
from harken.records import Row, fingerprint, read_parquet, write_parquet
from jobs.flow import exclusive
from jobs.glossary_stages import ENTRIES, SPOKEN, TERMS, GlossaryStages
from jobs.progress import note

_TEXTS = pa.list_(pa.string())
TERM_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("id", "term", "category", "language")] + [("spoken", _TEXTS), ("audio", _TEXTS)]
)
ENTRY_SCHEMA = pa.schema(
    [
        ("phonemes", pa.string()),
        ("spellings", SPELLINGS),
        ("reading", pa.string()),
        ("language", pa.string()),
        ("audio", _TEXTS),
        ("flags", _TEXTS),
        ("contains", pa.int64()),
    ]
)
SPOKEN_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("id", "text", "reading", "audio_path", "voice")] + [("entry", pa.int64())]
)


def take_terms(stages: GlossaryStages) -> dict[str, Any]:
    """Clean and store the list; returns the stage's record.

    Raises:
        HarkenError: the list is missing or, unless bad lines are left out, broken.
    """
    stage, run = stages.terms, stages.run
    if stage.complete():
        record = stage.record()
        note(f"{stage.name}: skipped, {record['terms']} terms are there")
        return record
    with exclusive(stage):
        stage.begin(dump_yaml(run))
        began = time.monotonic()
        found = stages.list
        # A term that names the list's own language is the same as one that names none.
        terms = {_identity(term, run.terms.language): term for term in found.terms}
        rows = [_term_row(identity, term, run.terms.language) for identity, term in terms.items()]
        write_parquet(stage.directory / TERMS, rows, TERM_SCHEMA, stages.rows_per_shard)
        figures = {
            "terms": len(rows),
            "duplicates": found.duplicates + len(found.terms) - len(rows),
            "bad": dict(found.bad.most_common()),
            "bad_lines": [asdict(line) for line in found.bad_lines],
        }
        record = stage.finish(time.monotonic() - began, figures)
    bad = f", {found.bad.total()} bad lines left out" if found.bad else ""
    note(f"{stage.name}: {len(rows)} terms, {figures['duplicates']} duplicates{bad}")
    return record


def take_entries(stages: GlossaryStages) -> dict[str, Any]:
    """Group the readings to entries, curate them and list what is to be spoken; returns the stage's record.

    Raises:
        HarkenError: a word list that is missing or broken, or no entry remains.
    """
    stage, run = stages.entries, stages.run
    if stage.complete():
        record = stage.record()
        note(f"{stage.name}: skipped, {record['entries']} entries are there")
        return record
    with exclusive(stage):
        stage.begin(dump_yaml(run))
        began = time.monotonic()
        readings, _ = stages.readings
        drafts = group_entries(readings.rows(), stages.path.name)
        findings = curate([Candidate(draft.texts, draft.phonemes) for draft in drafts], run.curation)
        blocked = set(findings.blocked())
        if len(blocked) == len(drafts):
            remedy = f"All of {len(drafts)} are common words: name those that may be there in curation.allowed."
            raise HarkenError("terms", str(stages.path), remedy)
        write_parquet(stage.directory / ENTRIES, _entry_rows(drafts, findings), ENTRY_SCHEMA)
        spoken = {}
        for name in (*run.engines, RECORDINGS):
            rows = [
                row | {"entry": index}
                for index, draft in enumerate(drafts)
                if index not in blocked
                for row in recordings_of(run, name, draft)
                if stages.enrolled is None or not stages.enrolled.has(draft, row)
            ]
            write_parquet(stage.directory / f"{SPOKEN}-{name}.parquet", rows, SPOKEN_SCHEMA, stages.rows_per_shard)
            spoken[name] = len(rows)
        flags = Counter(flag for found in findings.flags for flag in found)
        figures = {"entries": len(drafts), "flags": dict(flags.most_common()), "spoken": spoken}
        record = stage.finish(time.monotonic() - began, figures)
    told = ", ".join(f"{count} {flag}" for flag, count in record["flags"].items())
    note(f"{stage.name}: {record['entries']} entries{f': {told}' if told else ''}")
    return record


def read_entries(stages: GlossaryStages) -> Iterator[tuple[Row, Entry]]:
    """The rows of entries.parquet, each with the entry as a store takes it."""
    for row in read_parquet(stages.entries.directory / ENTRIES):
        spellings = tuple(Spelling(**spelling | {"flags": tuple(row["flags"])}) for spelling in row["spellings"])
        yield row, Entry(row["phonemes"], spellings)


def _identity(term: GlossaryTerm, language: str) -> str:
    return fingerprint("term", spelling_key(term.term), term.language or language)


def _term_row(identity: str, term: GlossaryTerm, language: str) -> Row:
    absolute = [str(Path(name).absolute()) for name in term.audio]
    return {"id": identity, **asdict(replace(term, language=term.language or language)), "audio": absolute}


def _entry_rows(drafts: Sequence[EntryDraft], findings: Findings) -> list[Row]:
    inner = dict(findings.contained)
    return [
        {
            "phonemes": draft.entry.phonemes,
            "spellings": [asdict(spelling) for spelling in draft.entry.spellings],
            "reading": draft.reading,
            "language": draft.language,
            "audio": list(draft.audio),
            "flags": list(findings.flags[index]),
            "contains": inner.get(index),
        }
        for index, draft in enumerate(drafts)
    ]


def draft_of(row: Row, entry: Entry) -> EntryDraft:
    """The draft that a row of `read_entries` was made of."""
    return EntryDraft(entry, row["reading"], row["language"], tuple(row["audio"]))


def recordings_of(run: GlossarySettings, name: str, draft: EntryDraft) -> list[Row]:
    """The recordings of an entry that an engine makes, or the user's own."""
    if name == RECORDINGS:
        return draft.to_read()
    return draft.to_speak(name, run.engines[name].recordings, run.run.seed) if run.speaks(name, draft.language) else []
