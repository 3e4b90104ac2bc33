"""A training loop on Ray Train: started or resumed, watched, and its failures told as what they are."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray.train
from ray.train import CheckpointConfig, FailureConfig, LoggingConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer

from harken.errors import HarkenError
from harken.records import write_json
from harken.settings import ClusterSettings
from jobs.cli import find_harken_error
from jobs.cluster import connect
from jobs.training_progress import shown_progress

# Lost spot nodes are counted apart by Ray (without a limit); this bounds crashes that would come again.
MAX_FAILURES = 5
CHECKPOINTS_KEPT = 2

_FAILURE = "failure.json"


def fit(
    name: str,
    loop: Callable[[dict[str, Any]], None],
    task: object,
    folder: Path,
    cluster: ClusterSettings,
    workers: int | tuple[int, int],
    use_gpu: bool,
) -> None:
    """Run ``loop({"task": task})`` in every worker of a torch.distributed group until it has returned in all.

    Args:
        name: what progress is shown under.
        folder: absolute; a run in the same folder goes on from its newest checkpoint.
        workers: a pair of numbers makes the group elastic.

    Raises:
        HarkenError: bad input that a worker reported or raised, or a full disk.
    """
    connect(cluster)
    failure_file = folder / _FAILURE
    failure_file.unlink(missing_ok=True)
    trainer = TorchTrainer(
        loop,
        train_loop_config={"task": task},
        torch_config=TorchConfig(backend="nccl" if use_gpu else "gloo"),
        # Ray's types know neither a pair of workers nor, of its older module, the logs.
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=use_gpu),  # type: ignore[arg-type]
        # The same name in the same place is what makes Ray Train resume.
        run_config=RunConfig(  # type: ignore[call-arg]
            name="train",
            storage_path=str(folder),
            failure_config=FailureConfig(max_failures=MAX_FAILURES),
            checkpoint_config=CheckpointConfig(num_to_keep=CHECKPOINTS_KEPT),
            logging_config=LoggingConfig(log_level="ERROR"),
        ),
    )
    with shown_progress(name, folder):
        try:
            trainer.fit()
        except ray.train.TrainingFailedError as failure:
            raise _explained(failure, folder) from failure
    if failure_file.exists():
        raise HarkenError(*json.loads(failure_file.read_text(encoding="utf-8")))


def report_bad_input(folder: Path, failure: HarkenError) -> None:
    """Leave a worker's bad input for the driver: raised, Ray would try the same again and again."""
    write_json(folder / _FAILURE, [failure.thing, str(failure.value), failure.remedy])


@contextmanager
def bad_input_ends_all(folder: Path) -> Iterator[bool]:
    """Around a whole loop: bad input in one worker ends the group, and the next attempt does nothing.

    Yields whether an earlier attempt has left bad input, so that this one should return at once.
    """
    try:
        yield (folder / _FAILURE).exists()
    except HarkenError as failure:
        report_bad_input(folder, failure)
        raise


def _explained(failure: Exception, folder: Path) -> Exception:
    """The user's error at the root of a failed training, or the failure itself."""
    for cause in getattr(failure, "worker_failures", {}).values():
        # Ray carries what a worker raised inside a wrapper that is no cause in Python's sense.
        error = find_harken_error(getattr(cause, "_base_exc", cause))
        if error is not None:
            return error
    if "No space left on device" in str(failure):
        remedy = "The disk is full: free or change it and run again; checkpoints are kept."
        return HarkenError("output folder", str(folder), remedy)
    return failure
