"""Where a Whisper model lies and whether its folder is whole; light enough to be asked before any work starts."""

import json
import re
from pathlib import Path

from harken.errors import HarkenError, first_line

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_HUB_FILES = ("*.json", "*.txt", "*.safetensors", "*.model")
_PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json")
_TOKENIZER_FILES = ("tokenizer.json", "vocab.json")
_WEIGHT_FILES = ("model.safetensors", "model.safetensors.index.json")


def locate_model(model: str) -> Path:
    """The folder of a model: the path itself, or the hub's snapshot on this machine (fetched when missing).

    Raises:
        HarkenError: neither a folder here nor a hub id that can be fetched, or an incomplete folder.
    """
    path = Path(model).expanduser()
    if not path.exists() and _HUB_ID.fullmatch(model):
        path = _fetch(model)
    check_model_folder(path)
    return path


def check_model_folder(folder: Path) -> None:
    """Check that a folder holds a Whisper model with weights, processor and generation configuration.

    Raises:
        HarkenError: it does not; the error names what is missing.
    """
    if not folder.is_dir():
        raise HarkenError("model folder", str(folder), "It does not exist: give a Whisper folder or a hub id.")
    kind = read_json(folder, "config.json").get("model_type")
    if kind != "whisper":
        raise HarkenError("model folder", str(folder), f"It holds a model of type {kind!r}, not a Whisper model.")
    read_json(folder, "generation_config.json")
    for purpose, names in (
        ("the feature extractor", _PROCESSOR_FILES),
        ("the tokenizer", _TOKENIZER_FILES),
        ("the weights", _WEIGHT_FILES),
    ):
        if not any((folder / name).is_file() for name in names):
            remedy = f"It lacks {purpose} ({' or '.join(names)}): save model and processor into one folder."
            raise HarkenError("model folder", str(folder), remedy)


def model_languages(model: str) -> tuple[str, ...]:
    """Whisper's codes of the languages that a folder's or hub id's model writes, without loading it.

    Raises:
        HarkenError: as `locate_model`.
    """
    generation = read_json(locate_model(model), "generation_config.json")
    known = generation.get("lang_to_id")
    if not generation.get("is_multilingual") or not isinstance(known, dict):
        return ("en",)
    return tuple(sorted(code.strip("<|>") for code in known))


def read_json(folder: Path, name: str) -> dict[str, object]:
    """One of the folder's JSON files.

    Raises:
        HarkenError: it is missing or damaged.
    """
    try:
        content: dict[str, object] = json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HarkenError("model folder", str(folder), f"It lacks {name}: it is no whole Whisper folder.") from None
    except (OSError, ValueError) as failure:
        raise HarkenError("model folder", str(folder), f"Its {name} cannot be read ({failure}).") from None
    return content


def _fetch(model: str) -> Path:
    # Loading file by file asks an unreachable hub dozens of times, minutes long; a snapshot asks once.
    from huggingface_hub import snapshot_download

    patterns = list(_HUB_FILES)
    try:
        cached = Path(snapshot_download(model, allow_patterns=patterns, local_files_only=True))
        check_model_folder(cached)
        return cached
    except (OSError, HarkenError):
        pass
    try:
        return Path(snapshot_download(model, allow_patterns=patterns))
    except Exception as failure:  # the hub client raises a dozen unrelated types
        told = f"No such folder here, and the model hub did not give it either ({first_line(failure)})"
        raise HarkenError("model", model, f"{told}: give a Whisper folder.") from None
