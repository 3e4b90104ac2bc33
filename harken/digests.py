"""Digests of inputs, so that a stage reruns exactly when something it depends on changed."""

import hashlib
from pathlib import Path

from harken.errors import HarkenError

# Hashing gigabytes at every start would break "a second run is all skips"; size and time stand in above this.
HASHED_BYTES = 64 * 1024 * 1024

# What a model folder's answers depend on; notes and figures beside the weights do not count.
WEIGHTS = {".safetensors", ".bin"}
DECIDING = ("config", "generation", "processor", "preprocessor", "tokenizer", "vocab", "merges", "added", "special")


def file_digest(path: Path) -> str:
    """The digest of a file's content (of its size and modification time above 64 MiB).

    Raises:
        HarkenError: the file does not exist or cannot be read.
    """
    try:
        status = path.stat()
        if status.st_size > HASHED_BYTES:
            return hashlib.sha256(f"{status.st_size} {status.st_mtime_ns}".encode()).hexdigest()[:16]
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except FileNotFoundError:
        raise HarkenError("input file", str(path), "It does not exist: check the path in the configuration.") from None
    except OSError as failure:
        raise HarkenError("input file", str(path), f"It cannot be read ({failure.strerror}).") from None


def manifest_digest(path: Path, audio_files: list[Path]) -> str:
    """The digest of a manifest and of the size and time of the recordings it names."""
    digest = hashlib.sha256(file_digest(path).encode())
    for audio in audio_files:
        if audio.exists():
            status = audio.stat()
            digest.update(f"{audio.name} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def folder_digest(folder: Path, files: list[Path]) -> str:
    """The digest of the names and contents of files in a folder (of sizes and times above 64 MiB in all).

    Raises:
        HarkenError: a file cannot be read.
    """
    statuses = [path.stat() for path in files]
    small = sum(status.st_size for status in statuses) <= HASHED_BYTES
    digest = hashlib.sha256()
    for path, status in zip(files, statuses, strict=True):
        content = file_digest(path) if small else f"{status.st_size} {status.st_mtime_ns}"
        digest.update(f"{path.relative_to(folder).as_posix()} {content}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def model_digest(model: str) -> str:
    """The digest of the files a model folder's answers depend on; a hub id stands for itself."""
    folder = Path(model)
    if not folder.is_dir():
        return model
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in WEIGHTS or path.stem.startswith(DECIDING):
            digest.update(f"{path.name} {file_digest(path)}".encode())
    return digest.hexdigest()[:16]
