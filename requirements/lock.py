"""Writes the lock: every package that the project and its tests need, at the version installed right now.

`make lock` runs this inside `.venv` after a dependency was changed there. The lock holds names and versions
only: no index, no path and no local suffix such as `+cpu`, so that it means the same wherever packages come
from.
"""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "lock-py311.txt"
INSTALLERS = {"pip", "setuptools", "wheel"}
HEADER = """\
# Every package of the project and its `dev` extra, at the versions the tests run with (CPython 3.11).
# Written by `make lock` from pyproject.toml and the environment; do not edit by hand.
"""


def declared(extras: tuple[str, ...] = ("dev",)) -> list[Requirement]:
    """The requirements that pyproject.toml states: the base set and the named extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


def pins(requirements: list[Requirement]) -> dict[str, str]:
    """Canonical name -> installed version of the requirements and of all that they need in turn.

    Raises:
        SystemExit: a package is declared but not installed, or installed outside its declared range.
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = list(requirements)
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        try:
            distribution = metadata.distribution(requirement.name)
        except metadata.PackageNotFoundError:
            raise SystemExit(
                f"package: {name!r} is needed but not installed. Install it into .venv, then lock."
            ) from None
        if not requirement.specifier.contains(distribution.version, prereleases=True):
            raise SystemExit(
                f"package: {name} {distribution.version} is installed, {str(requirement)!r} is asked for. "
                "Install a version in that range, or change the range in pyproject.toml."
            )
        found[name] = distribution.version.partition("+")[0]
        # The empty extra stands for what a package needs whatever extras are asked for.
        for extra in {"", *requirement.extras} - {extra for known, extra in seen if known == name}:
            seen.add((name, extra))
            waiting += needs(name, distribution, extra)
    return dict(sorted(found.items()))


def needs(name: str, distribution: metadata.Distribution, extra: str) -> list[Requirement]:
    """What a distribution needs here for one extra.

    PyTorch's platform-bound needs are left out: they are the CUDA libraries, which belong to the build of
    torch that `requirements/environment.py` chose and not to the project. So are the installers themselves,
    which every environment brings.
    """
    chosen = []
    for line in distribution.requires or []:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        if name == "torch" and requirement.marker and "platform" in str(requirement.marker):
            continue
        if canonicalize_name(requirement.name) in INSTALLERS:
            continue
        chosen.append(requirement)
    return chosen


def read(path: Path = LOCK) -> dict[str, str]:
    """Canonical name -> pinned version, as a lock file states them."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pairs}


def main() -> None:
    """Write the lock file."""
    pinned = pins(declared())
    LOCK.write_text(HEADER + "".join(f"{name}=={version}\n" for name, version in pinned.items()), encoding="utf-8")
    print(f"{LOCK.relative_to(ROOT)}: {len(pinned)} packages")


if __name__ == "__main__":
    main()
