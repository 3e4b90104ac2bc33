"""Which weights a finished run keeps: the last, the best by held-out CER, or the average of the last evaluations."""

from collections.abc import Sequence
from typing import Any

import torch

from harken.finetuning import adapters
from harken.finetuning.learner import Learner
from harken.finetuning.snapshots import Evaluation, best, evaluations


def select(learner: Learner) -> dict[str, Any]:
    """Put the weights that `finetune.selection` asks for into the learner; every worker calls it once, after the run.

    Returns which ones they are, the steps they are from and the held-out CER of every candidate. The average is taken
    in merged weight space (`adapters.averaged`) and measured like the others.

    Raises:
        HarkenError: a snapshot cannot be read.
    """
    # Rank 0 has written its last snapshot once it comes here.
    learner.workers.sum(torch.zeros(1, device=learner.whisper.device))
    untuned, *tuned = evaluations(learner.curve)
    final = adapters.read_state(learner.network)
    candidates = {"last": tuned[-1], "best": best(tuned)}
    steps = [evaluation.step for evaluation in tuned[-learner.settings.selection.average :]]
    if learner.wanted in ("averaged", "lowest") and learner.settings.lora.variant != "dora" and len(steps) > 1:
        candidates["averaged"] = _average(learner, steps)
    chosen = _chosen(learner.wanted, candidates)
    if chosen != "averaged":
        _take(learner, learner.snapshots.read(candidates["best"].step) if chosen == "best" else final)
    learner.taken = {
        "weights": chosen,
        "steps": steps if chosen == "averaged" else [candidates[chosen].step],
        "untuned_cer": untuned.cer,
        "cers": {name: evaluation.cer for name, evaluation in candidates.items()},
    }
    return learner.taken


def _chosen(wanted: str, candidates: dict[str, Evaluation]) -> str:
    if wanted == "lowest":
        return min(candidates, key=lambda name: candidates[name].rank)
    # A run of one evaluation has nothing to average.
    return wanted if wanted in candidates else "last"


def _average(learner: Learner, steps: Sequence[int]) -> Evaluation:
    learner.network = adapters.averaged(learner.network, [learner.snapshots.read(step) for step in steps])
    loss, cer = learner.forward.held_out(learner.corpus.dev_real or learner.corpus.dev, learner.workers)
    return Evaluation(learner.done, cer, loss)


def _take(learner: Learner, state: adapters.State) -> None:
    learner.network = learner.adapted(learner.network.unload())
    if learner.settings.lora.variant == "adalora":
        # As a plain LoRA every runtime loads it, and pruned ranks cannot be mistaken for those of another step.
        learner.network = adapters.averaged(learner.network, [state])
    else:
        adapters.write_state(learner.network, state)
