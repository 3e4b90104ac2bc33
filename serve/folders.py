"""Where the files of a glossary lie; every part of a path comes from the server, never from a client."""

from pathlib import Path


def version_folder(glossary_folder: Path, version: int) -> Path:
    """A version of a glossary."""
    return glossary_folder / f"version-{version:06d}"


def recording_path(glossary_folder: Path, identifier: str) -> Path:
    """A recording of a term, by its id."""
    return glossary_folder / "recordings" / f"{identifier}.flac"
