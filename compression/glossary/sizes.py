"""What the terms of a glossary cost, byte by byte."""

from __future__ import annotations

from dataclasses import dataclass

from compression.glossary.manifest import Manifest

_HOLDS = {
    "codes.npy": "frames",
    "scales.npy": "scales",
    "spans.npy": "spans",
    "statistics.npy": "statistics",
    "terms.arrow": "terms",
}


@dataclass(frozen=True)
class Sizes:
    """Bytes of a version by what they hold: `index` is all that finds and counts, `terms` all text."""

    frames: int
    scales: int
    spans: int
    index: int
    terms: int
    statistics: int
    entries: int

    @property
    def total(self) -> int:
        """All bytes."""
        return self.frames + self.scales + self.spans + self.index + self.terms + self.statistics

    @property
    def per_entry(self) -> float:
        """Bytes per live entry."""
        return self.total / self.entries

    @classmethod
    def of(cls, manifest: Manifest) -> Sizes:
        """Those of a version, entries included that were removed but not yet compacted away."""
        held = dict.fromkeys((*_HOLDS.values(), "index"), 0)
        held["index"] = manifest.centroids.bytes
        for segment in manifest.segments:
            for name, record in segment.files.items():
                held[_HOLDS.get(name, "index")] += record.bytes
            if segment.tombstones_file is not None:
                held["index"] += segment.tombstones_file.bytes
        return cls(**held, entries=manifest.entries)
