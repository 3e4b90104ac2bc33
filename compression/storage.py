"""A spotter as files: spotter.json says what it is, spotter.safetensors holds its weights; nothing is executed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from compression.spotter import Spotter
from harken.config import check
from harken.errors import HarkenError
from harken.records import replace_atomically, write_json
from harken.spotter_settings import SpotterSettings

SETTINGS_FILE = "spotter.json"
WEIGHTS_FILE = "spotter.safetensors"
FORMAT = "harken-spotter"
VERSION = 1
_NOTES = "harken"


def save_spotter(spotter: Spotter, folder: Path) -> None:
    """Write the spotter's two files, each atomically; equal spotters make equal bytes.

    Raises:
        HarkenError: the folder cannot be written.
    """
    write_tensors(folder / WEIGHTS_FILE, spotter.state_dict(), {"format": FORMAT, "version": VERSION})
    write_json(
        folder / SETTINGS_FILE,
        {
            "format": FORMAT,
            "version": VERSION,
            "threshold": spotter.threshold,
            "settings": spotter.settings.model_dump(mode="json"),
        },
    )


def load_spotter(folder: str | Path, device: str | torch.device = "cpu") -> Spotter:
    """The spotter of a folder, in evaluation mode: its scores are exactly those of the one that was saved.

    Raises:
        HarkenError: a file is missing or damaged, another format or version, unknown settings, or weights that do
            not fit the settings.
    """
    folder = Path(folder)
    description = _read_description(folder / SETTINGS_FILE)
    spotter = Spotter(check(description["settings"], SpotterSettings, source=str(folder / SETTINGS_FILE)))
    spotter.threshold = description.get("threshold")
    tensors, _ = read_tensors(folder / WEIGHTS_FILE)
    check_tensors(spotter.state_dict(), tensors, folder / WEIGHTS_FILE)
    spotter.load_state_dict(tensors)
    return spotter.to(device).eval()


def write_tensors(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
    """Write tensors and JSON-serialisable notes into one safetensors file, atomically; equal input, equal bytes.

    Raises:
        HarkenError: the folder cannot be written.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # One entry: safetensors writes several in no fixed order.
    metadata = {_NOTES: json.dumps(notes, ensure_ascii=False)}
    replace_atomically(path, lambda temporary: save_file(plain, temporary, metadata))


def read_tensors(path: Path, device: str | torch.device = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and notes of a file that `write_tensors` wrote; no notes from one that something else wrote.

    Raises:
        HarkenError: it is missing or damaged.
    """
    file, notes = open_tensors(path, device)
    with file:
        return {name: file.get_tensor(name) for name in file.keys()}, notes  # noqa: SIM118


def open_tensors(path: Path, device: str | torch.device = "cpu") -> tuple[Any, dict[str, Any]]:
    """As `read_tensors`, but the file is only mapped: it gives what `get_tensor` or `get_slice` asks it for.

    Raises:
        HarkenError: it is missing or damaged.
    """
    try:
        file = safe_open(path, framework="pt", device=str(device))
        return file, json.loads((file.metadata() or {}).get(_NOTES, "{}"))
    except FileNotFoundError:
        raise HarkenError("tensor file", str(path), "It does not exist: give the path it was saved to.") from None
    except (SafetensorError, OSError, ValueError) as failure:
        raise HarkenError("tensor file", str(path), f"It is damaged ({failure}): fetch or save it again.") from None


def check_tensors(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path) -> None:
    """Refuse tensors that are not those expected, by name, shape or type.

    Raises:
        HarkenError: one is missing, unknown or of another shape or type; the error names the first.
    """
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise HarkenError(f"tensor in {path}", name, "It is missing: the weights belong to other settings.")
        if name not in expected:
            raise HarkenError(f"tensor in {path}", name, "It is unknown: the weights belong to other settings.")
        want, have = expected[name], found[name]
        if (want.shape, want.dtype) != (have.shape, have.dtype):
            raise HarkenError(
                f"tensor in {path}",
                name,
                f"It is {have.dtype} of shape {tuple(have.shape)}; the settings make it {want.dtype} of shape "
                f"{tuple(want.shape)}.",
            )


def _read_description(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HarkenError("spotter folder", str(path.parent), f"It holds no {path.name}.") from None
    except (OSError, ValueError) as failure:
        raise HarkenError("spotter description", str(path), f"It cannot be read ({failure}).") from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise HarkenError("spotter description", str(path), f"Its format is not {FORMAT!r}: it describes no spotter.")
    version = description.get("version")
    if version != VERSION:
        raise HarkenError(
            f"version of {path}", version, f"This release reads version {VERSION}: use the release that saved it."
        )
    threshold = description.get("threshold")
    if not isinstance(description.get("settings"), dict) or not isinstance(threshold, int | float | None):
        raise HarkenError("spotter description", str(path), "It needs settings and a threshold (a number or null).")
    return description
