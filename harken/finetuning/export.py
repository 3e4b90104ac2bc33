"""What a finished fine-tuning leaves: the adapter, the merged model, the learning curve."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import torch

from harken.errors import HarkenError
from harken.finetuning.learner import Learner
from harken.model_folder import locate_model, read_json
from harken.records import write_json

ADAPTER = "adapter"
MERGED = "merged"
CURVE = "curve.json"
FACTS = "facts.json"


def export(learner: Learner, directory: Path) -> None:
    """Write ``adapter/`` (PEFT), ``merged/`` (a Whisper folder as `load_whisper` reads it), curve and facts.

    Each appears whole or not at all. The merge is done in float32 and stored in the base model's precision; the
    learner cannot go on afterwards.

    Raises:
        HarkenError: the disk is full or the folder cannot be written.
    """
    write_json(directory / CURVE, learner.curve)
    write_json(directory / FACTS, learner.facts())
    replace_folder(directory / ADAPTER, lambda folder: learner.network.save_pretrained(folder))
    replace_folder(directory / MERGED, lambda folder: _save_merged(learner, folder))


def replace_folder(target: Path, write: Callable[[Path], object]) -> None:
    """Call ``write(temporary_folder)``, flush it to disk and put it in the place of `target`.

    Raises:
        HarkenError: the disk is full or the folder cannot be written.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        write(temporary)
        for path in temporary.rglob("*"):
            if path.is_file():
                with path.open("rb") as written:
                    os.fsync(written.fileno())
        if target.exists():
            shutil.rmtree(target)
        temporary.rename(target)
    except OSError as failure:
        remedy = f"It cannot be written ({failure.strerror or failure}): free or change the disk and run again."
        raise HarkenError("output folder", str(target), remedy) from failure
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _save_merged(learner: Learner, folder: Path) -> None:
    base = locate_model(learner.task.model)
    config = read_json(base, "config.json")
    stored = str(config.get("dtype") or config.get("torch_dtype") or "float32")
    merged = learner.network.merge_and_unload()
    merged.to(getattr(torch, stored)).save_pretrained(folder)
    learner.whisper.processor.save_pretrained(folder)
    # The model's own copy of it may have lost fields that only the file holds.
    shutil.copyfile(base / "generation_config.json", folder / "generation_config.json")
