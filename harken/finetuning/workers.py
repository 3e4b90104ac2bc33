"""The processes that learn together: sums over a torch.distributed group, or over nobody else."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as distributed


@dataclass(frozen=True)
class Workers:
    """This process's rank among `size` workers."""

    rank: int = 0
    size: int = 1

    @classmethod
    def current(cls) -> "Workers":
        """The initialised process group's, or a single worker."""
        if distributed.is_available() and distributed.is_initialized():
            return cls(distributed.get_rank(), distributed.get_world_size())
        return cls()

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The element-wise sum over all workers, in place; every worker must call it equally often."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace every gradient by its sum over the workers, in one message; a missing one counts as zero."""
        if self.size == 1:
            return
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        message = self.sum(torch.cat([gradient.flatten() for gradient in gradients]))
        start = 0
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = message[start : start + gradient.numel()].view_as(gradient)
            start += gradient.numel()
