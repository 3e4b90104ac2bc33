"""What making a glossary found: numbers, failures by cause, and the terms that a curator should look at."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compression.glossary.entry import Entry
from compression.glossary.store import GlossaryStore
from harken.config import dump_yaml
from harken.curation import BLOCKED, CONTAINS, MEANINGS, UNSPOKEN
from harken.provenance import provenance
from harken.records import Row, write_json, write_text
from harken.report.curation import render_curation
from jobs.glossary_preparation import Recorded
from jobs.glossary_stages import GlossaryStages
from jobs.progress import note


def write_report(
    stages: GlossaryStages,
    name: str,
    entries: Sequence[tuple[Row, Entry]],
    recorded: Sequence[Recorded],
    enrolled: NDArray[np.bool_],
    store: GlossaryStore,
) -> dict[str, Any]:
    """Write ``<name>.json`` and ``<name>.html`` (`harken.report.curation`) into the run's folder; returns the JSON.

    Args:
        entries: as `jobs.glossary_entries.read_entries` gives them.
        enrolled: which of them have a recording.
        store: after they were added.
    """
    record, manifest, sizes = stages.terms.record(), store.manifest, store.sizes()
    findings = _findings(entries, enrolled, stages.run.curation.listed)
    found = {
        "title": f"Glossary of {stages.path.name}",
        "terms": {key: record[key] for key in ("terms", "duplicates", "bad", "bad_lines")},
        "entries": len(entries),
        "enrolled": int(enrolled.sum()),
        "recordings": {made.name: _recordings(made) for made in recorded},
        "findings": findings,
        "store": {
            "folder": str(store.folder),
            "version": manifest.version,
            "entries": manifest.entries,
            "bits": store.description.bits,
            "bytes_per_entry": sizes.per_entry,
            "bytes": sizes.total,
        },
        "config": dump_yaml(stages.run),
        "provenance": provenance(),
    }
    folder = stages.run.run.output
    write_json(folder / f"{name}.json", found)
    write_text(folder / f"{name}.html", render_curation(found))
    told = ", ".join(f"{finding['count']:,} {flag}" for flag, finding in findings.items()) or "no findings"
    note(f"store {store.folder}: {manifest.entries:,} entries, {sizes.per_entry:,.0f} bytes each; {told}")
    note(f"report: {folder / f'{name}.html'}")
    return found


def _recordings(made: Recorded) -> dict[str, Any]:
    """Of an engine: recordings wanted, those that failed by cause, and how long speaking and enrolling them took."""
    speech, enrolled = made.speech.record(), made.enrolments.record()
    return {
        "rows": enrolled["rows"],
        "failed": enrolled["failed"],
        "failures": enrolled["failures"],
        "speech_seconds": speech["seconds"],
        "enrolment_seconds": enrolled["seconds"],
    }


def _findings(entries: Sequence[tuple[Row, Entry]], enrolled: NDArray[np.bool_], listed: int) -> dict[str, Any]:
    """By flag, in the order of `MEANINGS`: how many entries have it, and the first of them."""
    counts: Counter[str] = Counter()
    shown: dict[str, list[dict[str, Any]]] = {flag: [] for flag in MEANINGS}
    for index, (row, entry) in enumerate(entries):
        flags = list(row["flags"])
        if not enrolled[index] and BLOCKED not in flags:
            flags.append(UNSPOKEN)
        for flag in flags:
            counts[flag] += 1
            if len(shown[flag]) < listed:
                inner = entries[row["contains"]][1] if flag == CONTAINS else None
                shown[flag].append(
                    {
                        "spellings": [spelling.text for spelling in entry.spellings],
                        "phonemes": entry.phonemes,
                        "contains": inner.spellings[0].text if inner else None,
                    }
                )
    return {flag: {"count": counts[flag], "shown": rows} for flag, rows in shown.items() if counts[flag]}
