"""What a glossary's folder says of itself: models, layout, and the segments that make up each version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from compression.glossary.integrity import FileRecord
from compression.quantisation import Bits
from harken.config import Section, check
from harken.errors import HarkenError
from harken.records import write_json

FORMAT: Literal["harken-glossary"] = "harken-glossary"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
VERSIONS = "versions"
SEGMENTS = "segments"
TOMBSTONES = "tombstones"
CENTROIDS = "centroids.npy"


class Models(Section):
    """The models whose output a glossary holds: another one's utterances do not fit."""

    encoder: str = Field(description="Digest of the encoder's model (harken.digests.model_digest).")
    spotter: str = Field(description="Fingerprint of the spotter that compressed the frames.")
    search: str = Field(description="Fingerprint of the search model that made span embeddings and statistics.")


class Description(Section):
    """What all segments of a glossary have in common."""

    models: Models = Field(description="The models that made it.")
    layers: PositiveInt = Field(description="Encoder layers per frame.")
    size: PositiveInt = Field(description="Values of a frame and layer.")
    bits: Bits = Field(default=4, description="Bits of a stored value: 8 or 4.")
    span_size: PositiveInt = Field(default=128, description="Values of a span embedding.")
    statistics: PositiveInt = Field(default=2, description="Numbers kept of each enrolment's background scores.")

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame's codes, all layers."""
        return self.layers * self.size * self.bits // 8


class SegmentRecord(Section):
    """An immutable part of a glossary, and which of its entries this version no longer has."""

    name: str = Field(description="Its folder below segments/.")
    entries: PositiveInt = Field(description="Entries in it, removed ones included.")
    enrolments: PositiveInt = Field(description="Their recordings.")
    frames: PositiveInt = Field(description="The recordings' frames.")
    files: dict[str, FileRecord] = Field(description="Every file of the folder.")
    removed: NonNegativeInt = Field(default=0, description="Entries removed or replaced since.")
    tombstones: str = Field(default="", description="The file below tombstones/ that lists them.")
    tombstones_file: FileRecord | None = Field(default=None, description="That file as it was written.")


class Manifest(Section):
    """One version of a glossary."""

    format: Literal["harken-glossary"] = Field(default=FORMAT, description="What the folder is.")
    format_version: int = Field(default=FORMAT_VERSION, description="How it is laid out.")
    version: NonNegativeInt = Field(description="Counted from 0, which is empty.")
    description: Description = Field(description="What all segments have in common.")
    centroids: FileRecord = Field(description="The coarse codebook of span embeddings.")
    segments: tuple[SegmentRecord, ...] = Field(default=(), description="The base and what was added to it.")

    @property
    def entries(self) -> int:
        """Live entries."""
        return sum(segment.entries - segment.removed for segment in self.segments)


def version_path(folder: Path, version: int) -> Path:
    """Where the manifest of a version stays until it is pruned."""
    return folder / VERSIONS / f"{version:06}.json"


def stored_versions(folder: Path) -> list[int]:
    """The versions that have a manifest, ascending; one above the current was never published."""
    return sorted(int(path.stem) for path in (folder / VERSIONS).glob("*.json") if path.stem.isdecimal())


def read_manifest(folder: Path, version: int | None = None) -> Manifest:
    """The manifest of a version, the current one for None.

    Raises:
        HarkenError: no glossary, an unknown or unpublished version, another format, or a damaged manifest.
    """
    current = _read(folder, folder / MANIFEST)
    if version is None or version == current.version:
        return current
    path = version_path(folder, version)
    if version > current.version or not path.exists():
        kept = [number for number in stored_versions(folder) if number <= current.version]
        raise HarkenError(f"version of {folder}", version, f"These are kept: {kept}.")
    return _read(folder, path)


def publish(folder: Path, manifest: Manifest) -> None:
    """Make a version the current one: whoever opens the glossary sees the last or this one, never a mixture.

    Raises:
        HarkenError: the folder cannot be written.
    """
    tree = manifest.model_dump(mode="json")
    write_json(version_path(folder, manifest.version), tree)
    write_json(folder / MANIFEST, tree)


def check_models(found: Models, expected: Models, folder: Path) -> None:
    """Refuse a glossary of other models.

    Raises:
        HarkenError: the error names the first that differs.
    """
    for kind in ("encoder", "spotter", "search"):
        made, used = getattr(found, kind), getattr(expected, kind)
        if made != used:
            model = "search model" if kind == "search" else kind
            remedy = f"The {model} in use is {used!r}: use the one that made it, or enrol the terms again."
            raise HarkenError(f"{model} of the glossary {folder}", made, remedy)


def _read(folder: Path, path: Path) -> Manifest:
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        remedy = f"It holds no {MANIFEST}: give the folder of a glossary, or create one."
        raise HarkenError("glossary", str(folder), remedy) from None
    except (OSError, ValueError) as failure:
        raise HarkenError("manifest of a glossary", str(path), f"It cannot be read ({failure}).") from None
    if not isinstance(tree, dict) or tree.get("format") != FORMAT:
        raise HarkenError("manifest of a glossary", str(path), f"Its format is not {FORMAT!r}.")
    if tree.get("format_version") != FORMAT_VERSION:
        remedy = f"This release reads version {FORMAT_VERSION}: use the release that wrote it, or build it again."
        raise HarkenError(f"format version of {path}", tree.get("format_version"), remedy)
    return check(tree, Manifest, source=str(path))
