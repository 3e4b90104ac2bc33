"""Teach a spotter what terms sound like to a Whisper: ``python -m jobs.keywords --config configs/keywords.yaml``.

Prepares training, validation and test sets (`jobs.keyword_preparation`), trains the variants that the configuration
names under Ray Train (`jobs.keyword_training`), measures each on the test sets, and makes for LHF what a search of a
glossary needs (`jobs.keyword_search`). The run's folder then holds ``spotters/<variant>/`` (spotter.json and
spotter.safetensors, LHF's with ``search/``), ``evaluation.json`` and ``report.html``. Run again, it goes on where it
was, and does nothing that is done.
"""

import json
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from compression.encoder import read_encoder_shape
from compression.sampler import PairSampler
from compression.storage import SETTINGS_FILE, WEIGHTS_FILE, load_spotter, read_tensors
from compression.training import STATE_FILE, Epoch, Progress
from harken.config import dump_yaml
from harken.digests import file_digest
from harken.errors import HarkenError
from harken.provenance import provenance
from harken.records import fingerprint, generator, write_json, write_text
from harken.report.spotting import render_spotting
from harken.report.spotting_console import print_spotting
from harken.spotter_settings import EncoderShape, Variant
from harken.spotting_settings import LAYER_SEARCH, SpottingSettings
from harken.stages import Stage
from jobs.cli import run_job
from jobs.flow import exclusive
from jobs.keyword_data import SetData, judged_pairs, read_set
from jobs.keyword_evaluation import TrainedSpotter, evaluate
from jobs.keyword_preparation import prepare
from jobs.keyword_search import SEARCH, SEARCHED, copy_search, print_recall, train_search
from jobs.keyword_sets import KeywordSet
from jobs.progress import note

# Raised by one when a stage's code changes what it arrives at.
REVISIONS = {"spotter": 1, "evaluation": 2}

SPOTTERS, EVALUATION, REPORT = "spotters", "evaluation.json", "report.html"


def keyword_sets(run: SpottingSettings, encoder: EncoderShape) -> tuple[KeywordSet, KeywordSet, dict[str, KeywordSet]]:
    """The training set, the validation set, and the test sets by name."""
    training = KeywordSet("training", run.sets.training, run, encoder)
    validation = KeywordSet("validation", run.sets.validation, run, encoder, [training])
    tests = {
        name: KeywordSet(f"test-{name}", settings, run, encoder, [training, validation])
        for name, settings in run.sets.tests.items()
    }
    return training, validation, tests


class Training:
    """Trains variants on one training and one validation set."""

    def __init__(self, run: SpottingSettings, training: KeywordSet, validation: KeywordSet) -> None:
        self.run, self.sets = run, (training, validation)
        self._data: tuple[SetData, SetData] | None = None

    def variant(self, variant: Variant, layers: tuple[int, ...] | None) -> TrainedSpotter:
        """Bring a variant to completion: L with every seed of `gate_seeds`, the others with the run's."""
        seeds = self.run.gate_seeds if variant == LAYER_SEARCH else (self.run.run.seed,)
        folders = {seed: self._train(variant, layers, seed) for seed in seeds}
        return TrainedSpotter(folders[seeds[0]] / "best", {seed: _history(folder) for seed, folder in folders.items()})

    def _train(self, variant: Variant, layers: tuple[int, ...] | None, seed: int) -> Path:
        run = self.run
        settings = run.spotter(variant, self.sets[0].encoder, layers)
        content = [part.content() for part in self.sets]
        sections = [section.model_dump(mode="json") for section in (settings, run.train, run.sampler)]
        workers = run.resources.train_workers
        digest = fingerprint("spotter", REVISIONS["spotter"], sections, content, seed, workers, run.validation_pairs)
        stage = Stage.under(run.run.output, f"spotter-{variant}-{seed}", digest, 0)
        if stage.complete():
            note(f"{stage.name}: skipped, {stage.directory / 'best'} is there")
            return stage.directory
        from jobs.keyword_training import SpottingTask, train

        with exclusive(stage):
            stage.begin(dump_yaml(run))
            began = time.monotonic()
            data, held_out = self._read()
            task = SpottingTask(
                directory=stage.absolute().directory,
                spotter=settings,
                training=run.train.model_copy(update={"seed": seed}),
                seed=seed,
                frames=data.joined(held_out).frames(settings.layers),
                sampler=PairSampler(data.utterances, data.inventory, run.sampler),
                validation=self._validation_pairs(held_out),
                use_gpu=run.resources.train_on_gpu,
            )
            train(task, stage.name, run.cluster, workers)
            best = load_spotter(stage.directory / "best")
            stage.finish(
                time.monotonic() - began, {"layers": list(best.selected_layers()), "threshold": best.threshold}
            )
        note(f"{stage.name}: layers {', '.join(map(str, best.selected_layers()))}")
        return stage.directory

    def _read(self) -> tuple[SetData, SetData]:
        if self._data is None:
            training, validation = self.sets
            self._data = read_set(training), read_set(validation)
        return self._data

    def _validation_pairs(self, data: SetData) -> list[Any]:
        pairs, _ = judged_pairs("validation", data, self.run.run.seed)
        if len(pairs) <= self.run.validation_pairs:
            return pairs
        # Every utterance or none: F1 is about whole utterances.
        names = list(dict.fromkeys(pair.utterance for pair in pairs))
        share = self.run.validation_pairs / len(pairs)
        draw = generator("validation", self.run.run.seed)
        kept = set(draw.sample(names, max(1, int(share * len(names)))))
        drawn = [pair for pair in pairs if pair.utterance in kept]
        if not any(pair.said for pair in drawn):
            remedy = f"In none of the {len(drawn)} pairs drawn a term is said: raise it."
            raise HarkenError("validation_pairs", self.run.validation_pairs, remedy)
        return drawn


def train_variants(
    run: SpottingSettings, training: KeywordSet, validation: KeywordSet
) -> dict[Variant, TrainedSpotter]:
    """Train what the configuration names, the layer search before what needs its layers."""
    trainer, layers = Training(run, training, validation), run.layers
    found: dict[Variant, TrainedSpotter] = {}
    for variant in sorted(run.variants, key=lambda variant: variant != LAYER_SEARCH):
        found[variant] = trainer.variant(variant, layers if variant in ("LH", "LHF") else None)
        if variant == LAYER_SEARCH and layers is None:
            layers = load_spotter(found[variant].folder).selected_layers()
    return {variant: found[variant] for variant in run.variants}


def measure(
    run: SpottingSettings, spotters: Mapping[Variant, TrainedSpotter], tests: Mapping[str, KeywordSet]
) -> dict[str, Any]:
    """Measure the spotters on the test sets, or read what was measured; see `harken.report.spotting`."""
    trained = {variant: _trained(run, variant, spotter) for variant, spotter in spotters.items()}
    content = {name: part.content() for name, part in tests.items()}
    how = (run.bootstrap_samples, run.run.seed)
    stage = Stage.under(
        run.run.output, "evaluation", fingerprint("evaluation", REVISIONS["evaluation"], trained, content, how), 0
    )
    if stage.complete():
        note(f"{stage.name}: skipped, it is there")
        found: dict[str, Any] = json.loads((stage.directory / EVALUATION).read_text(encoding="utf-8"))
        return found
    with exclusive(stage):
        stage.begin(dump_yaml(run))
        began = time.monotonic()
        found = evaluate(run, spotters, {name: read_set(part) for name, part in tests.items()})
        found["notes"] += _gate_notes(found["variants"])
        write_json(stage.directory / EVALUATION, found)
        stage.finish(time.monotonic() - began)
    return found


def _trained(run: SpottingSettings, variant: Variant, spotter: TrainedSpotter) -> list[object]:
    """What an evaluation tells of a spotter: its threshold and weights, how it is stored, how its trainings went."""
    files = [file_digest(spotter.folder / name) for name in (SETTINGS_FILE, WEIGHTS_FILE)]
    histories = {str(seed): [asdict(epoch) for epoch in epochs] for seed, epochs in spotter.histories.items()}
    return [files, run.precision.get(variant), histories]


def _history(folder: Path) -> list[Epoch]:
    _, notes = read_tensors(folder / STATE_FILE)
    return [Epoch(**epoch) for epoch in notes["progress"]["history"]]


def _selected(history: list[Epoch]) -> list[int]:
    best = Progress(history=history).best
    return best.layers if best else []


def _gate_notes(variants: Mapping[str, Any]) -> list[str]:
    if LAYER_SEARCH not in variants:
        return []
    chosen = {
        seed: _selected([Epoch(**epoch) for epoch in training["epochs"]])
        for seed, training in variants[LAYER_SEARCH]["training"].items()
    }
    told = "; ".join(f"seed {seed}: {', '.join(map(str, layers))}" for seed, layers in chosen.items())
    if len(chosen) < 2:
        return [f"The gate selected layers {told}; one seed does not show whether another would agree."]
    agree = len({tuple(layers) for layers in chosen.values()}) == 1
    return [f"The gate's selection {'is the same' if agree else 'differs'} with {len(chosen)} seeds ({told})."]


def main(run: SpottingSettings, prepare_only: bool = False) -> None:
    """Prepare, train, measure, make the search model.

    Raises:
        HarkenError: settings that do not fit the model, and whatever a stage finds.
    """
    encoder = read_encoder_shape(run.model)
    run.check(encoder)
    training, validation, tests = keyword_sets(run, encoder)
    parts = (training, validation, *tests.values())
    for part in parts:
        part.check()
    for part in parts:
        prepare(part)
    if prepare_only:
        return
    spotters = train_variants(run, training, validation)
    for variant, trained in spotters.items():
        target = run.run.output / SPOTTERS / variant
        target.mkdir(parents=True, exist_ok=True)
        for file in trained.folder.iterdir():
            shutil.copy2(file, target / file.name)
    found = measure(run, spotters, tests) | {"config": dump_yaml(run), "provenance": provenance()}
    write_json(run.run.output / EVALUATION, found)
    write_text(run.run.output / REPORT, render_spotting(found))
    print_spotting(found, Console(highlight=False))
    if run.search is not None and SEARCHED in spotters:
        folder = train_search(run, run.search, spotters[SEARCHED].folder, training, validation, tests)
        copy_search(folder, run.run.output / SPOTTERS / SEARCHED / SEARCH)
        print_recall(folder, Console(highlight=False))
    note(f"report: {run.run.output / REPORT}")


SWITCHES = {"prepare_only": "prepare the sets and stop, so that training can be started where the GPUs are"}

if __name__ == "__main__":
    sys.exit(run_job(main, SpottingSettings, __doc__ or "", switches=SWITCHES))
