"""The plain program `benchmarks.finetune` compares with: Whisper and LoRA under `transformers`' Seq2SeqTrainer.

It is what the usual tutorials write, with features made on the fly: processor, a collator that pads, a Trainer.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    PrinterCallback,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
    WhisperForConditionalGeneration,
    WhisperProcessor,
)

from harken.audio import SAMPLE_RATE, decode_audio, resample
from harken.finetuning.task import Utterance
from harken.settings import FinetuneSettings


class PlainTrainer:
    """Trains a fresh model; `train` gives the moments at which its steps ended."""

    def __init__(self, model: str, prompt: Sequence[int], settings: FinetuneSettings, folder: Path) -> None:
        self._processor = WhisperProcessor.from_pretrained(model)
        self._prompt = list(prompt)
        self._settings = settings
        self._folder = folder
        lora = settings.lora
        config = LoraConfig(
            r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=list(lora.targets)
        )
        self._network = get_peft_model(
            WhisperForConditionalGeneration.from_pretrained(model, dtype=torch.float32), config
        )

    def train(self, utterances: Sequence[Utterance], steps: int) -> list[float]:
        """Run `steps` optimiser steps."""
        arguments = Seq2SeqTrainingArguments(
            output_dir=str(self._folder),
            per_device_train_batch_size=self._settings.batch_size,
            max_steps=steps,
            learning_rate=self._settings.learning_rate,
            weight_decay=self._settings.weight_decay,
            max_grad_norm=self._settings.max_gradient_norm,
            use_cpu=True,
            remove_unused_columns=False,
            label_names=["labels"],
            logging_strategy="no",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        clock = _Clock()
        trainer = Seq2SeqTrainer(
            model=self._network,
            args=arguments,
            train_dataset=list(utterances),
            data_collator=self._collate,
            callbacks=[clock],
        )
        # It would print its own summary among the figures.
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        return clock.ends

    def _collate(self, batch: Sequence[Utterance]) -> dict[str, torch.Tensor]:
        decoded = (decode_audio(utterance.audio, name=utterance.id) for utterance in batch)
        waves = [resample(wave, rate, SAMPLE_RATE) for wave, rate in decoded]
        features = self._processor.feature_extractor(waves, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        # The model puts the first token of the prompt in front of the labels itself.
        texts = [[*self._prompt[1:], *utterance.tokens] for utterance in batch]
        labels = np.full((len(texts), max(map(len, texts))), -100)
        for row, text in enumerate(texts):
            labels[row, : len(text)] = text
        return {"input_features": features["input_features"], "labels": torch.from_numpy(labels)}


class _Clock(TrainerCallback):
    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.ends.append(time.perf_counter())
