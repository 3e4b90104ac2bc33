"""Where a stage's rows live and how far it has come.

A stage is cut into shards. Each shard is one Parquet part that appears by an atomic rename, so after a kill -9
the parts that exist are whole, and a rerun makes the missing ones only. The folder's name carries the
fingerprint of everything the rows depend on: a changed setting gets a new folder, and the old one stays for
the day the setting is changed back.

    outputs/demo/stages/speech-0f3a.../parts/part-00007.parquet
                                      /config.yaml        the resolved configuration
                                      /provenance.json    versions, git revision, command
                                      /stage.json         written last: counts, failures by cause, seconds
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harken.provenance import provenance
from harken.records import FAILED, Row, read_parquet, write_json, write_text


@dataclass(frozen=True)
class Stage:
    """One stage of one run; ``shards`` parts of Parquet under ``directory``."""

    name: str
    fingerprint: str
    directory: Path
    shards: int

    @classmethod
    def under(cls, output: Path, name: str, fingerprint: str, shards: int) -> "Stage":
        """The stage's place in a run's output folder."""
        return cls(name, fingerprint, output / "stages" / f"{name}-{fingerprint}", shards)

    def part(self, shard: int) -> Path:
        """The Parquet file of one shard."""
        return self.directory / "parts" / f"part-{shard:05d}.parquet"

    def mark(self, shard: int) -> Path:
        """A file that is there while a worker is at the shard, and stays when the worker dies."""
        return self.directory / "parts" / f".part-{shard:05d}.begun"

    def building_mark(self, worker: str) -> Path:
        """A file that is there while a worker builds its actor, and stays when the worker dies."""
        return self.directory / "parts" / f".worker-{worker}.building"

    def parts(self) -> list[Path]:
        """All parts in order; they exist once the stage is complete."""
        return [self.part(shard) for shard in range(self.shards)]

    def missing(self) -> list[int]:
        """The shards that still have to be made."""
        return [shard for shard in range(self.shards) if not self.part(shard).exists()]

    def absolute(self) -> "Stage":
        """The same stage by its absolute path, for workers that run in another folder."""
        return replace(self, directory=self.directory.absolute())

    @property
    def marker(self) -> Path:
        return self.directory / "stage.json"

    def complete(self) -> bool:
        """True when the marker and every part are there (a deleted part is made again)."""
        return self.marker.exists() and not self.missing()

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[Row]:
        """Every row in order, one part in memory at a time."""
        for part in self.parts():
            yield from read_parquet(part, columns)

    def begin(self, resolved_config: str) -> None:
        """Write the configuration and the provenance beside the output."""
        write_text(self.directory / "config.yaml", resolved_config)
        write_json(self.directory / "provenance.json", provenance())

    def finish(self, seconds: float, figures: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Count the rows and write the marker; returns what it holds."""
        record = {
            "stage": self.name,
            "fingerprint": self.fingerprint,
            "seconds": round(seconds, 2),
            **self.counts(),
            **(figures or {}),
        }
        write_json(self.marker, record)
        return record

    def record(self) -> dict[str, Any]:
        """What `finish` wrote."""
        value: dict[str, Any] = json.loads(self.marker.read_text(encoding="utf-8"))
        return value

    def counts(self) -> dict[str, Any]:
        """Rows, failed rows, and failures by cause (most frequent first)."""
        if self.shards == 0:
            return {}
        total = 0
        causes: Counter[str] = Counter()
        for row in self.rows(["status", "error"]):
            total += 1
            if row["status"] == FAILED:
                causes[cause(row["error"])] += 1
        return {"rows": total, "failed": sum(causes.values()), "failures": dict(causes.most_common())}


def cause(error: str | None) -> str:
    """The part of an error before its first colon: what failures are counted by."""
    return (error or "unknown").split(":", 1)[0].strip()
