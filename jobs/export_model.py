"""Write the adapted model for other runtimes: ``python -m jobs.export_model --config configs/demo.yaml``.

``--set model_export.formats=[adapter,transformers,ctranslate2]`` chooses the formats. Each is loaded again and
transcribes the held-out rows of the fine-tuning; a format whose CER differs from the merged model's is no export.
"""

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harken.audio import SAMPLE_RATE, decode_audio, resample
from harken.errors import GateError, HarkenError
from harken.finetuning.export import ADAPTER, replace_folder
from harken.finetuning.task import Utterance, load_corpus
from harken.metrics.error_rates import character_errors
from harken.provenance import provenance
from harken.records import write_json
from harken.settings import PipelineSettings
from harken.text import normalise
from harken.whisper import Whisper, load_whisper
from jobs.cli import run_job
from jobs.finetune import finetune_task
from jobs.plan import Plan, require
from jobs.progress import note

Decode = Callable[[Sequence[np.ndarray]], list[str]]

_BATCH = 16


def export_model(plan: Plan) -> Path:
    """Write every format of the settings into one folder with ``export.json``; returns the folder.

    Raises:
        HarkenError: the fine-tuning is not complete, the folder is there already, or a runtime is not installed.
        GateError: a format's CER on the held-out rows differs by more than `model_export.max_cer_difference`.
    """
    options = plan.settings.model_export
    folder = options.folder or plan.settings.run.output / "model"
    require([plan.finetune])
    if folder.exists():
        raise HarkenError("model_export.folder", str(folder), "It is there already: delete it or name another.")
    merged = load_whisper(str(plan.adapted_model()), "cpu")
    utterances = _held_out(plan, merged)
    expected = _errors(utterances, _hearing(plan, merged))
    record: dict[str, Any] = {"utterances": len(utterances), "cer": expected[0] / expected[1], "formats": {}}

    def write(unfinished: Path) -> None:
        for name in options.formats:
            record["formats"][name] = _write(plan, name, unfinished / name, merged, utterances, expected)
        write_json(unfinished / "export.json", record | {"provenance": provenance()})

    replace_folder(folder, write)
    for name, figures in record["formats"].items():
        note(f"export_model: {folder / name}: held-out CER {figures['cer']:.4f}, merged model {record['cer']:.4f}")
        for remark in figures["remarks"]:
            note(f"export_model: {name}: {remark}")
    return folder


def _write(
    plan: Plan, name: str, folder: Path, merged: Whisper, utterances: Sequence[Utterance], expected: tuple[int, int]
) -> dict[str, Any]:
    options, remarks = plan.settings.model_export, []
    if name == "ctranslate2":
        from harken.ctranslate import FastWhisper, convert, for_faster_whisper

        convert(merged, plan.adapted_model(), folder, options.quantization)
        fast = FastWhisper(folder, merged)
        language, limit = plan.settings.decoding.language, plan.settings.decoding.max_new_tokens
        errors = _errors(utterances, lambda waves: fast.transcribe(waves, language, limit))
        if not for_faster_whisper(merged):
            remarks.append(f"faster-whisper cannot run a {merged.window_seconds:g} s window; CTranslate2 itself can")
    elif name == "adapter":
        shutil.copytree(plan.finetune.directory / ADAPTER, folder)
        errors = _errors(utterances, _hearing(plan, load_whisper(plan.settings.model, "cpu", adapter=str(folder))))
    else:
        shutil.copytree(plan.adapted_model(), folder)
        errors = _errors(utterances, _hearing(plan, load_whisper(str(folder), "cpu")))
    _check(name, errors, expected, options.max_cer_difference)
    return {"cer": errors[0] / errors[1], "remarks": remarks}


def _check(name: str, found: tuple[int, int], expected: tuple[int, int], limit: float) -> None:
    difference = abs(found[0] - expected[0])
    # On a small set a single character would exceed any sensible limit.
    if difference > 1 and difference / expected[1] > limit:
        remedy = (
            f"Its held-out CER is {found[0] / found[1]:.4f}, the merged model's {expected[0] / expected[1]:.4f}: use a "
            "finer model_export.quantization or raise model_export.max_cer_difference."
        )
        raise GateError("export format", name, remedy)


def _hearing(plan: Plan, whisper: Whisper) -> Decode:
    decoding = plan.settings.decoding

    def decode(waves: Sequence[np.ndarray]) -> list[str]:
        heard = whisper.transcribe(waves, SAMPLE_RATE, decoding.language, _BATCH, decoding.max_new_tokens)
        return [hypothesis.text for hypothesis in heard]

    return decode


def _held_out(plan: Plan, whisper: Whisper) -> list[Utterance]:
    positions: int = whisper.model.config.max_target_positions
    limit = positions - len(whisper.prompt_tokens(plan.settings.decoding.language))
    corpus = load_corpus(finetune_task(plan), whisper.text_tokens, whisper.window_seconds, limit)
    return [*corpus.dev_real, *corpus.dev, *corpus.dev_replay]


def _errors(utterances: Sequence[Utterance], decode: Decode) -> tuple[int, int]:
    """Wrong characters and all characters, over batches of similar length."""
    errors = characters = 0
    by_length = sorted(utterances, key=lambda utterance: (utterance.seconds, utterance.id))
    for start in range(0, len(by_length), _BATCH):
        batch = by_length[start : start + _BATCH]
        decoded = (decode_audio(utterance.audio, name=utterance.id) for utterance in batch)
        heard = decode([resample(wave, rate, SAMPLE_RATE) for wave, rate in decoded])
        for utterance, text in zip(batch, heard, strict=True):
            for count in character_errors(normalise(utterance.text), normalise(text)):
                errors += count.errors
                characters += count.units
    return errors, max(characters, 1)


def main(settings: PipelineSettings) -> None:
    """Export the model of this configuration."""
    export_model(Plan(settings))


if __name__ == "__main__":
    sys.exit(run_job(main, PipelineSettings, __doc__ or ""))
