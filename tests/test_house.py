"""The house keeps its own rules: rooms, names, sizes, pins, and nothing of one machine in the repository."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from ray.autoscaler._private.util import prepare_config, validate_config

from requirements import lock

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ROOMS = ("harken", "compression", "actors", "jobs", "serve")
FOLDERS = (*ROOMS, "benchmarks", "configs", "examples", "models", "requirements", "tests")
LONGEST_FILE = 400

# Spelled in pieces, so that this file does not contain what it forbids.
PACKAGE_HOSTS = re.compile("|".join(("py" + r"pi\.org", "python" + r"hosted\.org", "download.py" + r"torch\.org")))
MACHINE_PATHS = re.compile(r"(?<![\w.~])/" + r"(work|root|opt|Users|home/\w+)" + "/")


def tracked(*suffixes: str) -> list[Path]:
    """The files that git tracks, by suffix (none: all of them)."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file() and (not suffixes or path.suffix in suffixes)]


def imports(*rooms: str) -> dict[str, set[str]]:
    """Top-level module name -> the files of these rooms that import it, at their top or anywhere inside."""
    users: dict[str, set[str]] = {}
    for path in tracked(".py"):
        where = path.relative_to(ROOT)
        if where.parts[0] not in rooms:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            for name in names:
                users.setdefault(name.partition(".")[0], set()).add(str(where))
    return users


def declared(extras: tuple[str, ...] = ()) -> set[str]:
    """Canonical names of the packages that pyproject.toml asks for."""
    return {canonicalize_name(requirement.name) for requirement in lock.declared(extras)}


@pytest.mark.parametrize("folder", FOLDERS)
def test_folder_exists(folder: str) -> None:
    assert (ROOT / folder).is_dir()


@pytest.mark.parametrize("room", ROOMS)
def test_room_is_ours_and_says_what_it_holds(room: str) -> None:
    package = importlib.import_module(room)
    assert package.__doc__
    assert Path(package.__file__ or "").parent == ROOT / room


def test_allowed_pythons_have_no_compression_of_their_own() -> None:
    """From 3.14 on the standard library has one; which of the two is found depends on the entry point."""
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert [minor for minor in range(9, 17) if allowed.contains(f"3.{minor}.0")] == [11, 12, 13]
    assert "compression" not in sys.stdlib_module_names


def test_ray_is_imported_only_in_jobs_and_serve() -> None:
    assert imports("harken", "compression", "actors").get("ray", set()) == set()
    assert imports("jobs")["ray"]


def test_import_contracts_are_checked_and_hold() -> None:
    lint_imports = Path(sys.executable).parent / "lint-imports"
    checked = subprocess.run([lint_imports, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "2 kept, 0 broken" in checked.stdout


@pytest.mark.parametrize("folders", [ROOMS, ("benchmarks", "requirements", "tests")], ids=["rooms", "tests"])
def test_every_import_is_declared(folders: tuple[str, ...]) -> None:
    extras = set(PROJECT["optional-dependencies"]) - ({"dev"} if folders == ROOMS else set())
    distributions = metadata.packages_distributions()
    foreign = (
        set(imports(*folders)) - set(sys.stdlib_module_names) - set(ROOMS) - {"benchmarks", "requirements", "tests"}
    )
    unknown = {
        name
        for name in foreign
        if not declared(tuple(extras)) & {canonicalize_name(owner) for owner in distributions.get(name, [name])}
    }
    assert unknown == set()


def test_every_dependency_is_used() -> None:
    distributions = metadata.packages_distributions()
    owners = {canonicalize_name(owner) for name in imports(*ROOMS) for owner in distributions.get(name, [])}
    # Of silero-vad the network is read, not the package: importing it changes PyTorch's threads. FastAPI imports
    # python-multipart, which it does not ask for, to read uploads.
    assert declared() - owners == {"silero-vad", "python-multipart"}


def test_lock_holds_every_dependency_in_its_range() -> None:
    pinned = lock.read()
    for requirement in lock.declared():
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} is locked at {version}"


def test_lock_is_names_and_versions_only() -> None:
    lines = [line for line in lock.LOCK.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert len(lines) > 100
    for line in lines:
        requirement = Requirement(line)
        assert requirement.url is None
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line), line


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the lock is made on Python 3.11")
def test_lock_is_what_the_tests_run_with() -> None:
    assert lock.pins(lock.declared()) == lock.read()


def test_cluster_passes_rays_schema_with_a_safe_head_and_spot_workers() -> None:
    cluster = prepare_config(yaml.safe_load((ROOT / "cluster.yaml").read_text(encoding="utf-8")))
    validate_config(cluster)
    kinds = cluster["available_node_types"]
    head = kinds.pop(cluster["head_node_type"])
    assert "InstanceMarketOptions" not in head["node_config"]
    assert any(kind["resources"].get("GPU") for kind in kinds.values())
    for kind in kinds.values():
        assert kind["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    for command in (*cluster["head_start_ray_commands"][1:], *cluster["worker_start_ray_commands"][1:]):
        assert "RAY_AUTH_MODE=token" in command


def test_cluster_runs_the_locked_ray() -> None:
    cluster = yaml.safe_load((ROOT / "cluster.yaml").read_text(encoding="utf-8"))
    assert f":{lock.read()['ray']}-py311" in cluster["docker"]["image"]


def test_no_source_is_longer_than_a_reader_can_hold() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in [*tracked(".py", ".sh", ".yaml"), ROOT / "Makefile", ROOT / ".ci" / "run"]
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_nothing_names_a_package_host_or_a_path_of_one_machine() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if PACKAGE_HOSTS.search(line) or MACHINE_PATHS.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    assert found == []


@pytest.mark.parametrize(
    ("line", "caught"),
    [
        ("see https://" + "py" + "pi.org/simple", True),
        ("model = '" + "/ho" + "me/someone/whisper'", True),
        ("  -v " + "/wo" + "rk/main:/data", True),
        ("GET /v1/models, ~/.ray/auth_token, jobs/work/x", False),
    ],
)
def test_the_patterns_of_the_test_above_catch_what_they_are_for(line: str, caught: bool) -> None:
    assert bool(PACKAGE_HOSTS.search(line) or MACHINE_PATHS.search(line)) is caught
