"""Makes `.venv`: PyTorch first and alone, then everything else at the locked versions.

Run by `make setup` with a bare Python 3.11-3.13 (standard library only). Which build of PyTorch is taken:

- `TORCH_BACKEND=pip`: what pip's own sources offer, whatever that is.
- `TORCH_BACKEND=cuda`: the same, and an error if that build has no CUDA.
- `TORCH_BACKEND=cpu`: a build without CUDA, through uv, which knows PyTorch's own CPU index.
- unset: pip's offer on macOS and where `nvidia-smi` finds a GPU. Elsewhere pip is asked, without downloading
  anything, whether its offer would bring CUDA libraries (gigabytes that a machine without a GPU cannot use):
  if not, that offer is taken, else the build without CUDA.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
LOCK = ROOT / "requirements" / "lock-py311.txt"
BACKENDS = ("auto", "cpu", "cuda", "pip")


def say(message: str) -> None:
    """Tell the user what is being done and why."""
    print(f"setup: {message}", flush=True)


def run(*command: str | Path) -> bool:
    """Run a command with its output shown; whether it ended well."""
    return subprocess.run([str(part) for part in command], cwd=ROOT).returncode == 0


def pip(*arguments: str | Path) -> bool:
    """Run the environment's own pip; whether it ended well."""
    return run(PYTHON, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check")


def check_python() -> None:
    """Stop with a remedy where this Python cannot carry the project."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        sys.exit(
            f"Python: {version} at {sys.executable}. Harken needs 3.11, 3.12 or 3.13 (the library of 3.14 "
            "has its own `compression`): install one and run `make setup PYTHON=/path/to/python3.11`."
        )


def create() -> None:
    """Create `.venv`, or keep one that still runs.

    pip itself has to be recent: older ones download the packages that a dry run only asks about.
    """
    if PYTHON.exists() and subprocess.run([str(PYTHON), "-m", "pip", "--version"], capture_output=True).returncode == 0:
        say(f"keeping the environment in {ENVIRONMENT.name}")
    else:
        say(f"making an environment in {ENVIRONMENT.name} with Python {sys.version.split()[0]}")
        if not run(sys.executable, "-m", "venv", "--clear", ENVIRONMENT):
            sys.exit(
                f"Python: {sys.executable} cannot make an environment. On Debian and Ubuntu install "
                "`python3-venv`, or name another one: `make setup PYTHON=/path/to/python3.11`."
            )
    if not pip("install", "pip>=25"):
        sys.exit("pip: cannot be brought up to date. Check that this machine reaches its package index.")


def has_gpu() -> bool:
    """Whether the NVIDIA driver lists a GPU."""
    if shutil.which("nvidia-smi") is None:
        return False
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    return listed.returncode == 0 and "GPU" in listed.stdout


def offer_brings_cuda(torch: str) -> bool:
    """Whether pip's own sources would answer this requirement with a build that needs CUDA libraries."""
    command = [
        str(PYTHON),
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--ignore-installed",
        "--quiet",
        "--report",
        "-",
    ]
    asked = subprocess.run([*command, torch], capture_output=True, text=True)
    if asked.returncode != 0:
        sys.exit(f"pip: finds no {torch}.\n{asked.stderr}Check that this machine reaches its package index.")
    packages = json.loads(asked.stdout)["install"]
    return any(package["metadata"]["name"].startswith(("nvidia-", "cuda-")) for package in packages)


def installed_torch() -> tuple[str, bool] | None:
    """Version of the environment's PyTorch and whether it was built with CUDA, or None."""
    code = "import torch; print(torch.__version__, torch.version.cuda is not None)"
    asked = subprocess.run([str(PYTHON), "-c", code], capture_output=True, text=True)
    if asked.returncode != 0:
        return None
    version, cuda = asked.stdout.split()
    return version, cuda == "True"


def install_cpu_build(torch: str) -> bool:
    """Install PyTorch's build without CUDA; uv knows where PyTorch publishes it."""
    uv = ENVIRONMENT / "bin" / "uv"
    return pip("install", "uv>=0.9,<1") and run(
        uv, "pip", "install", "--quiet", "--python", PYTHON, "--torch-backend", "cpu", torch
    )


def choose_backend(torch: str) -> str:
    """`pip` or `cpu`: the build of PyTorch that suits this machine, said aloud with the reason."""
    if sys.platform == "darwin":
        reason = "macOS has one build"
    elif has_gpu():
        reason = "this machine has an NVIDIA GPU"
    elif not offer_brings_cuda(torch):
        reason = "no GPU here, and the offer brings no CUDA libraries"
    else:
        say(f"{torch} without CUDA, through uv: no GPU here (TORCH_BACKEND=cuda or pip chooses otherwise)")
        return "cpu"
    say(f"{torch} as pip offers it: {reason}")
    return "pip"


def install_torch(torch: str, asked_for: str) -> None:
    """Install the locked PyTorch in the build asked for; alone, so that nothing else can choose it."""
    locked = torch.partition("==")[2]
    present = installed_torch()
    if present and present[0].partition("+")[0] == locked:
        if {"cpu": not present[1], "cuda": present[1]}.get(asked_for, True):
            say(f"keeping torch {present[0]}")
            return
        pip("uninstall", "--yes", "torch")
    backend = choose_backend(torch) if asked_for == "auto" else asked_for
    if backend == asked_for:
        say(f"{torch}, because TORCH_BACKEND={asked_for}")
    if backend == "cpu":
        if install_cpu_build(torch):
            return
        if asked_for == "cpu":
            sys.exit(f"torch: no build of {torch!r} without CUDA. See the error above, or use TORCH_BACKEND=pip.")
        say("there is no reaching PyTorch's CPU index; taking pip's offer with its CUDA libraries instead")
    if not pip("install", torch):
        sys.exit(f"torch: {torch!r} could not be installed. See pip's error above, then run `make setup` again.")
    present = installed_torch()
    if not present or (backend == "cuda" and not present[1]):
        problem = f"{present[0]!r} has no CUDA" if present else f"{torch!r} does not import"
        sys.exit(f"torch: {problem}. Point pip at an index that has another build, or unset TORCH_BACKEND.")


def install_rest() -> None:
    """Install the lock; on a Python that it was not made for, the declared ranges are the second choice."""
    say(f"the packages of {LOCK.relative_to(ROOT)} (a few minutes and 2 GB, the first time)")
    if pip("install", "-r", LOCK):
        return
    if sys.version_info[:2] == (3, 11):
        sys.exit(f"packages: {LOCK.name} could not be installed. See the error above, then run `make setup` again.")
    say("the lock was made on Python 3.11 and does not fit this one; taking the ranges of pyproject.toml")
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if not pip("install", *project["dependencies"], *project["optional-dependencies"]["dev"]):
        sys.exit("packages: pyproject.toml's ranges cannot be met here. Use 3.11: `make setup PYTHON=...`.")


def main() -> None:
    """Make or complete the environment."""
    check_python()
    backend = os.environ.get("TORCH_BACKEND") or "auto"
    if backend not in BACKENDS:
        sys.exit(f"TORCH_BACKEND: {backend!r}. Choose one of {', '.join(BACKENDS)}.")
    create()
    pins = LOCK.read_text(encoding="utf-8").splitlines()
    install_torch(next(pin for pin in pins if pin.startswith("torch==")), backend)
    install_rest()
    say("ready")


if __name__ == "__main__":
    main()
