"""Low-rank adapters on a frozen Whisper: PEFT's variants, their exact state, and averages in merged weight space.

LoRA (Hu et al. 2021) learns ``W + scaling * B A``, rsLoRA (Kalajdzievski 2023) scales by ``alpha / sqrt(rank)``, DoRA
(Liu et al. 2024) learns the rows' lengths apart, AdaLoRA (Zhang et al. 2023) prunes the ranks of ``B diag(E) A``.
"""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from peft import AdaLoraConfig, LoraConfig, get_peft_model
from peft.tuners.adalora import AdaLoraLayer
from peft.tuners.lora import LoraLayer

from harken.errors import HarkenError, first_line
from harken.finetune_settings import AdaLoraSettings, LoraSettings

State = dict[str, Any]
Factors = dict[str, tuple[torch.Tensor, torch.Tensor]]

_NAME = "default"
# AdaLoRA moves ranks at most this many times; every time sorts the importance of all of them.
_ALLOCATIONS = 100
_FEWEST_STEPS = 10


def adapt(model: Any, lora: LoraSettings, name: str, seed: int, total_steps: int, tokens: Sequence[int] = ()) -> Any:
    """Put fresh adapters of the chosen variant into `model`, in place; returns the PEFT network around it.

    `name` is what the adapter's configuration calls the base model; AdaLoRA's schedule ends with `total_steps`. The
    embeddings of `tokens` are learnt as well; Whisper's output layer shares them.

    Raises:
        HarkenError: targets that the model does not have, or too few steps for AdaLoRA.
    """
    torch.manual_seed(seed)
    # PEFT takes a string as an expression that the whole name of a module must match.
    parts, targets = ("|".join(map(re.escape, names)) for names in (lora.parts, lora.targets))
    common: dict[str, Any] = {
        # PEFT uses alpha / rank only and takes any number, whatever its annotation says.
        "lora_alpha": lora.alpha,
        "lora_dropout": lora.dropout,
        "target_modules": rf"(?:.*\.)?(?:{parts})\.(?:.*\.)?(?:{targets})",
        "trainable_token_indices": _embedded(tokens),
    }
    if lora.variant == "adalora":
        config: Any = AdaLoraConfig(**common, **_schedule(lora, total_steps))
    else:
        config = LoraConfig(**common, r=lora.rank, use_dora=lora.variant == "dora", use_rslora=lora.variant == "rslora")
    try:
        network = _wrapped(model, config)
    except ValueError as failure:
        remedy = f"The model does not have them ({first_line(failure)})."
        raise HarkenError("finetune.lora.targets", lora.targets, remedy) from None
    network.peft_config[_NAME].base_model_name_or_path = name
    return network


def trainable(network: Any) -> Iterator[tuple[str, torch.nn.Parameter]]:
    """The adapters' parameters by name."""
    return ((name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad)


def read_state(network: Any) -> State:
    """The adapters on the CPU, with what AdaLoRA knows about its ranks."""
    state: State = {"adapter": {name: tensor.detach().cpu().clone() for name, tensor in trainable(network)}}
    allocator = getattr(network.base_model, "rankallocator", None)
    if allocator is not None:
        state["importance"] = {name: getattr(allocator, name) for name in ("ipt", "exp_avg_ipt", "exp_avg_unc")}
        state["ranks"] = network.peft_config[_NAME].rank_pattern
    return state


def write_state(network: Any, state: Mapping[str, Any]) -> None:
    """Put back what `read_state` gave."""
    with torch.no_grad():
        for name, parameter in trainable(network):
            parameter.copy_(state["adapter"][name])
    if "importance" in state:
        for name, values in state["importance"].items():
            setattr(network.base_model.rankallocator, name, dict(values))
        network.peft_config[_NAME].rank_pattern = state["ranks"]


def allocate_ranks(network: Any, step: int) -> None:
    """Let AdaLoRA move its ranks after the optimiser's step number `step`, gradients still in place."""
    if hasattr(network.base_model, "rankallocator"):
        network.base_model.update_and_allocate(step)


def orthogonality(network: Any) -> torch.Tensor:
    """AdaLoRA's regulariser (eq. 4): the mean distance of ``A A^T`` and ``B^T B`` from the identity."""
    distances = []
    for _, layer in _layers(network):
        down, up = layer.lora_A[_NAME], layer.lora_B[_NAME]
        for product in (down @ down.T, up.T @ up):
            identity = torch.eye(len(product), device=product.device, dtype=product.dtype)
            distances.append(torch.linalg.norm(product - identity))
    return torch.stack(distances).mean()


def averaged(network: Any, states: Sequence[Mapping[str, Any]]) -> Any:
    """The network whose merged weights are the mean of those that the states merge to.

    The mean of A and the mean of B do not multiply to the mean of B A. So the factors stand side by side:
    ``[B1 B2 ..] / n`` times ``[A1; A2; ..]`` is exactly the mean of the products, as a plain LoRA of n times the rank.
    The states may be LoRA, rsLoRA or AdaLoRA (one state makes AdaLoRA a plain LoRA), not DoRA, whose merged weights
    are no low-rank step away from the base. The network given is used up.
    """
    found: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {}
    embeddings = []
    for state in states:
        write_state(network, state)
        embeddings += [tensor.detach().clone() for tensor in _learnt_embeddings(network)]
        for name, (up, down) in _factors(network).items():
            found.setdefault(name, []).append((up / len(states), down))
    joined = {
        name: (torch.cat([up for up, _ in f], 1), torch.cat([down for _, down in f], 0)) for name, f in found.items()
    }
    return _plain(network, joined, torch.stack(embeddings).mean(dim=0) if embeddings else None)


def _schedule(lora: LoraSettings, total_steps: int) -> dict[str, Any]:
    if total_steps < _FEWEST_STEPS:
        remedy = f"A run of {total_steps} steps is too short to move ranks: use 'lora', or more epochs or rows."
        raise HarkenError("finetune.lora.variant", lora.variant, remedy)
    options = lora.adalora or AdaLoraSettings()
    start, end = (max(1, round(share * total_steps)) for share in (options.prune_from, options.prune_until))
    end = min(max(end, start + 1), total_steps - 1)
    return {
        "init_r": lora.initial_rank(),
        "target_r": lora.rank,
        "tinit": start,
        "tfinal": total_steps - end,
        "deltaT": max(1, (end - start) // _ALLOCATIONS),
        "total_step": total_steps,
    }


def _wrapped(model: Any, config: Any) -> Any:
    with warnings.catch_warnings():
        # PEFT asks transformers for an attribute that is about to be renamed.
        warnings.simplefilter("ignore", FutureWarning)
        return get_peft_model(model, config)


def _layers(network: Any) -> Iterator[tuple[str, Any]]:
    for name, module in network.base_model.model.named_modules():
        if isinstance(module, LoraLayer):
            yield name, module


def _factors(network: Any) -> Factors:
    """By module the two factors of what it adds to its weight: (out, rank) and (rank, in), scaling in the first."""
    factors = {}
    for name, layer in _layers(network):
        if isinstance(layer, AdaLoraLayer):
            scaling = layer.scaling[_NAME] / (layer.ranknum[_NAME] + 1e-5)
            up, down = layer.lora_B[_NAME], layer.lora_A[_NAME] * layer.lora_E[_NAME]
        else:
            scaling = layer.scaling[_NAME]
            up, down = layer.lora_B[_NAME].weight, layer.lora_A[_NAME].weight
        factors[name] = ((up * scaling).detach(), down.detach().clone())
    return factors


def _embedded(tokens: Sequence[int]) -> dict[str, list[int]] | None:
    return {"embed_tokens": list(tokens)} if tokens else None


def _learnt_embeddings(network: Any) -> list[torch.Tensor]:
    """The (tokens, hidden) embeddings that are learnt; none or one."""
    return [tensor for name, tensor in trainable(network) if "trainable_tokens_delta" in name]


def _plain(network: Any, factors: Factors, embeddings: torch.Tensor | None) -> Any:
    old = network.peft_config[_NAME]
    rank = len(next(iter(factors.values()))[1])
    config = LoraConfig(
        r=rank,
        lora_alpha=rank,
        target_modules=old.target_modules,
        trainable_token_indices=old.trainable_token_indices,
    )
    plain = _wrapped(network.unload(), config)
    plain.peft_config[_NAME].base_model_name_or_path = old.base_model_name_or_path
    with torch.no_grad():
        for name, layer in _layers(plain):
            up, down = factors[name]
            layer.lora_B[_NAME].weight.copy_(up)
            layer.lora_A[_NAME].weight.copy_(down)
        if embeddings is not None:
            _learnt_embeddings(plain)[0].copy_(embeddings)
    return plain
