"""What produced an output: versions, git revision, command and machine, without importing anything heavy."""

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "ray",
    "numpy",
    "pyarrow",
    "jieba",
    "hanlp",
    "espeakng-loader",
    "soundfile",
    "soxr",
    "openai",
)


def provenance() -> dict[str, object]:
    """A JSON-serialisable record; packages that are not installed are left out."""
    return {
        "command": " ".join(sys.orig_argv),
        "git_revision": git_revision(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
    }


def git_revision(folder: Path | None = None) -> str:
    """The commit of the checkout that is running, with '+changes' when files differ; 'unknown' outside git.

    A packaged Ray job has no .git: the submitter may hand the revision over in HARKEN_REVISION.
    """
    folder = folder or Path(__file__).resolve().parent
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return os.environ.get("HARKEN_REVISION", "unknown")
    return f"{commit}+changes" if changed else commit


def _git(folder: Path, *arguments: str) -> str:
    finished = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
    )
    return finished.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
