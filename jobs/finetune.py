"""Teach Whisper the kept speech with LoRA under Ray Train: ``python -m jobs.finetune --config configs/demo.yaml``.

A checkpoint every few steps goes to the stage's folder; after a killed worker, a lost node or a killed driver the
same command goes on from the newest one and ends with the same weights as if nothing had happened.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ray.train
import torch
from ray.train import Checkpoint
from ray.train.torch import get_device

from harken.config import dump_yaml
from harken.errors import HarkenError
from harken.finetuning.export import FACTS, export
from harken.finetuning.learner import Learner, Progress
from harken.finetuning.selection import select
from harken.finetuning.task import AudioRows, FinetuneTask
from harken.finetuning.workers import Workers
from harken.keywords import load_keywords
from harken.settings import ClusterSettings, PipelineSettings
from jobs.cli import run_job
from jobs.flow import exclusive
from jobs.judge import test_texts
from jobs.plan import Plan, Speech, require
from jobs.progress import note
from jobs.training import fit, report_bad_input
from jobs.training_progress import SECONDS_BETWEEN_NOTES, TrainingProgress, write_progress

_QUESTIONS_PER_CHECKPOINT = 10


def finetune_run(plan: Plan) -> dict[str, Any]:
    """Bring the adapted model of a run to completion; returns its record.

    Raises:
        HarkenError: speech or verdicts are not there yet, too few kept rows, a wrong model, no GPU, a full disk.
    """
    settings, stage = plan.settings, plan.finetune
    if stage.complete() and plan.adapted_model().is_dir():
        record = stage.record()
        note(f"{stage.name}: skipped, {plan.adapted_model()} is there")
        return record
    learnt = [stage for run in plan.training for stage in (run.verdicts, run.speech.stage)]
    mixed = (plan.replay, plan.real, plan.real_dev)
    require([*learnt, *(speech.stage for speech in mixed if speech)])
    with exclusive(stage):
        stage.begin(dump_yaml(settings))
        started = time.monotonic()
        facts = finetune(finetune_task(plan), settings.cluster)
        record = stage.finish(time.monotonic() - started, {"facts": _readable(facts)})
    note(f"{stage.name}: {facts['steps']} steps, {record['seconds']:.0f} s")
    note(f"{stage.name}: weights: {record['facts']['weights']}")
    return record


def finetune(task: FinetuneTask, cluster: ClusterSettings) -> dict[str, Any]:
    """Run one fine-tuning on Ray Train, or go on with it; returns the learner's facts.

    ``task.directory`` then holds ``adapter/``, ``merged/``, ``curve.json`` and ``facts.json``.

    Raises:
        HarkenError: what the learner raises, or a full disk.
    """
    settings = task.settings
    fit("finetune", train_loop, task, task.directory, cluster, settings.workers, settings.use_gpu)
    facts: dict[str, Any] = json.loads((task.directory / FACTS).read_text(encoding="utf-8"))
    return facts


def finetune_task(plan: Plan) -> FinetuneTask:
    """What the run's fine-tuning is given."""
    settings = plan.settings
    lists = (run.settings.keywords for run in plan.training)
    keywords = [keyword for own in lists for keyword in load_keywords(own.path, categories=own.categories)]
    verdicts = (row for run in plan.training for row in run.verdicts.rows(["id", "verdict"]))
    kept = frozenset(row["id"] for row in verdicts if row["verdict"] == "keep")
    parts = [part for run in plan.training for part in run.speech.stage.absolute().parts()]
    return FinetuneTask(
        # Ray Train's workers run in a folder of their own, where a relative path leads nowhere.
        model=str(Path(settings.model).absolute()) if Path(settings.model).is_dir() else settings.model,
        language=settings.decoding.language,
        directory=plan.finetune.absolute().directory,
        settings=settings.finetune,
        synthetic=AudioRows(parts, kept),
        replay=_rows(plan.replay),
        real=_rows(plan.real),
        real_dev=_rows(plan.real_dev),
        # The union of several runs' lists may hold a term twice.
        keywords=tuple(dict.fromkeys(keywords)),
        test_texts=frozenset(test_texts(settings)) if plan.real or plan.real_dev else frozenset(),
        seed=settings.run.seed,
    )


def train_loop(config: dict[str, Any]) -> None:
    """What each Ray Train worker runs: the learner from the newest checkpoint to its last step, then the export."""
    task: FinetuneTask = config["task"]
    workers = Workers.current()
    learner = _build(task, workers)
    if learner is None:
        return
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            learner.restore(Path(folder))
    noted = 0.0
    resumed_at = learner.done
    warned = False
    for progress in learner.run():
        if workers.rank == 0 and (progress.last or time.monotonic() - noted > SECONDS_BETWEEN_NOTES):
            noted = time.monotonic()
            detail = f"loss {progress.loss:.3f}, dev CER {progress.dev_cer:.3f}"
            steps = (progress.step, progress.total_steps, resumed_at, task.settings.batch_size)
            write_progress(task.directory, TrainingProgress(*steps, detail))
        # A node that is about to be taken away gets one checkpoint in time.
        leaving = _preempted(task, progress)
        if progress.checkpoint_due or (leaving and not warned):
            _report(learner, workers, progress)
        warned = warned or leaving
    select(learner)
    if workers.rank == 0:
        export(learner, task.directory)


def _build(task: FinetuneTask, workers: Workers) -> Learner | None:
    """The learner; None on every worker when one of them found bad input, which then is in the failure file.

    Raising would make Ray try the same bad input again and again, and returning alone would leave the others
    waiting for this worker.
    """
    if task.settings.use_gpu:
        torch.cuda.set_device(get_device())
    learner = None
    try:
        learner = Learner(task, workers, "cuda" if task.settings.use_gpu else "cpu")
    except HarkenError as failure:
        report_bad_input(task.directory, failure)
    failures = workers.sum(torch.tensor([learner is None], dtype=torch.int32, device=get_device()))
    return None if failures.item() else learner


def _preempted(task: FinetuneTask, progress: Progress) -> bool:
    """Whether a worker's node is about to be taken away; all workers ask at the same steps, for it waits for all."""
    interval = max(1, task.settings.checkpoint_every_steps // _QUESTIONS_PER_CHECKPOINT)
    return progress.step % interval == 0 and ray.train.get_preemption_info() is not None


def _report(learner: Learner, workers: Workers, progress: Progress) -> None:
    metrics = {"step": progress.step, "loss": progress.loss}
    if workers.rank != 0:
        ray.train.report(metrics)
        return
    with tempfile.TemporaryDirectory() as folder:
        learner.save(Path(folder))
        ray.train.report(metrics, checkpoint=Checkpoint.from_directory(folder))


def _rows(speech: Speech | None) -> AudioRows | None:
    return AudioRows(speech.stage.absolute().parts()) if speech else None


def _readable(facts: dict[str, Any]) -> dict[str, Any]:
    millions = f"{facts['trainable_parameters'] / 1e6:.2f} M beside {facts['parameters'] / 1e6:.2f} M frozen"
    stopped = facts["steps"] < facts["planned_steps"]
    readable: dict[str, Any] = {
        "trainable parameters": f"{millions} ({facts['variant']}, {facts['precision']})",
        "steps": f"{facts['steps']} of {facts['planned_steps']}: no new lowest CER" if stopped else facts["steps"],
        "utterances": _kinds(facts, ""),
        "held out": _kinds(facts, "dev_"),
        "padding": f"{facts['padding']:.0%} of the encoder's input; {facts['padding_unbucketed']:.0%} without buckets",
        "weights": _weights(facts["taken"]),
    }
    readable |= {f"left out: {reason}": count for reason, count in facts["left_out"].items()}
    return readable


def _kinds(facts: dict[str, Any], prefix: str) -> str:
    synthetic = facts["dev_utterances" if prefix else "train_utterances"]
    kinds = {"synthetic": synthetic} | {
        name: facts[f"{prefix}{kind}_utterances"] for name, kind in (("general", "replay"), ("real", "real"))
    }
    return ", ".join(f"{count} {name}" for name, count in kinds.items() if count or name != "real")


def _weights(taken: dict[str, Any]) -> str:
    cers = ", ".join(f"{name} {cer:.3f}" for name, cer in taken["cers"].items())
    steps = ", ".join(map(str, taken["steps"]))
    return f"{taken['weights']} (step {steps}); held-out CER: un-tuned {taken['untuned_cer']:.3f}, {cers}"


def main(settings: PipelineSettings) -> None:
    """Run this stage of the pipeline."""
    finetune_run(Plan(settings))


if __name__ == "__main__":
    sys.exit(run_job(main, PipelineSettings, __doc__ or ""))
