"""What a glossary's store holds."""

import json as json_format
from dataclasses import asdict

from rich.table import Table

from harken.glossary_settings import GlossarySettings
from jobs.glossary_store import open_store
from jobs.progress import console, note


def inspect(run: GlossarySettings, json: bool = False, verify: bool = False) -> None:
    """Tell what the store holds; with `verify` also whether every byte is as it was written.

    Raises:
        HarkenError: there is no store, other models made it, or a file is damaged.
    """
    store = open_store(run)
    if verify:
        store.verify()
    manifest, sizes = store.manifest, store.sizes()
    found = {
        "folder": str(store.folder),
        "version": manifest.version,
        "entries": manifest.entries,
        "enrolments": sum(segment.enrolments for segment in manifest.segments),
        "removed": sum(segment.removed for segment in manifest.segments),
        "description": manifest.description.model_dump(mode="json"),
        "bytes": asdict(sizes) | {"total": sizes.total, "per_entry": sizes.per_entry if manifest.entries else None},
        "segments": [
            {"name": segment.name, "entries": segment.entries, "removed": segment.removed}
            for segment in manifest.segments
        ],
        "verified": verify,
    }
    if json:
        print(_dump(found))
        return
    table = Table(title=f"{store.folder}: version {manifest.version}", title_justify="left", show_header=False)
    table.add_row("entries", f"{manifest.entries:,}")
    table.add_row("recordings", f"{found['enrolments']:,}")
    table.add_row("removed since a compaction", f"{found['removed']:,}")
    table.add_row("segments", f"{len(manifest.segments)}")
    table.add_row("bits a value", f"{manifest.description.bits}")
    if manifest.entries:
        table.add_row("bytes an entry", f"{sizes.per_entry:,.0f}")
    for name, value in asdict(sizes).items():
        if name != "entries":
            table.add_row(f"bytes of {name}", f"{value:,}")
    console.print(table)
    if verify:
        note("every byte is as it was written")


def _dump(found: object) -> str:
    return json_format.dumps(found, ensure_ascii=False)
