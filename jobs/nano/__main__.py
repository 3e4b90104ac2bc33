"""Train the embedded nano-Whisper on synthetic speech: `python -m jobs.nano --config configs/nano.yaml`.

The same command resumes an interrupted run; a larger `training.minutes` trains a finished one longer.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

import torch
from transformers import WhisperTokenizer

from harken.config import dump_yaml, load_config
from harken.errors import HarkenError
from jobs.nano.card import write_card
from jobs.nano.corpus import make_corpus, make_writer
from jobs.nano.evaluation import evaluate
from jobs.nano.export import export
from jobs.nano.model import build_model
from jobs.nano.settings import NanoConfig
from jobs.nano.tokenizer import build_tokenizer
from jobs.nano.training import checkpoint_path, train


def run(config: NanoConfig, command: str) -> None:
    """Tokenizer, corpus, training, export, held-out figures, model card (which states `command`)."""
    output = Path(config.output_directory)
    output.mkdir(parents=True, exist_ok=True)
    (output / "config.yaml").write_text(dump_yaml(config), encoding="utf-8")
    tokenizer = _tokenizer(config)
    make_corpus(config)
    train(config, tokenizer)
    stored = torch.load(checkpoint_path(config), weights_only=True, map_location="cpu")
    model = build_model(config.model, tokenizer)
    prefix = "whisper."
    weights = {name.removeprefix(prefix): value for name, value in stored["model"].items() if name.startswith(prefix)}
    model.load_state_dict(weights)
    folder = Path(config.model_directory)
    export(config, model, tokenizer, folder)
    figures = evaluate(config, folder)
    for name, figure in figures.items():
        print(f"{name:55s} {figure.value:7.3f}  (n={figure.count})")
    state = {**stored, "parameters": model.num_parameters()}
    write_card(config, folder, figures, state, command, len(tokenizer))


def _tokenizer(config: NanoConfig) -> WhisperTokenizer:
    """The run's tokenizer, built once: a later change of the domain list must not renumber a trained model's tokens."""
    folder = Path(config.output_directory) / "tokenizer"
    if not (folder / "tokenizer.json").exists():
        writer = make_writer(config)
        window = config.model.window_seconds
        built = build_tokenizer(writer, writer.characters, config.text.latin_merges, window, config.seed)
        built.save_pretrained(folder)
    return WhisperTokenizer.from_pretrained(folder, language="zh", task="transcribe")


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and run; 2 is the exit status for a mistake of the user."""
    parser = argparse.ArgumentParser(prog="python -m jobs.nano", description=__doc__)
    parser.add_argument("--config", required=True, help="a YAML file such as configs/nano.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting")
    options = parser.parse_args(arguments)
    try:
        overrides = "".join(f" --set {shlex.quote(override)}" for override in options.set)
        command = f"python -m jobs.nano --config {options.config}{overrides}"
        run(load_config(options.config, options.set, NanoConfig), command)
    except HarkenError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
