"""The fixed coarse codebook of every index: centroids of span vectors, found once with the search model."""

import torch
import torch.nn.functional as F
from torch import Tensor

from harken.errors import HarkenError

_ROUNDS = 20
_VECTORS_AT_ONCE = 8192


@torch.inference_mode()
def spherical_centroids(vectors: Tensor, count: int, seed: int) -> Tensor:
    """Unit vectors (count, size) by k-means with cosines, Lloyd's rounds from a random choice of the vectors.

    A centroid that nothing is nearest to moves to the vector that is furthest from its own.

    Args:
        vectors: (n, size), of length 1.

    Raises:
        HarkenError: fewer vectors than centroids.
    """
    if len(vectors) < count:
        raise HarkenError("centroids", count, f"There are {len(vectors)} spans to find them in: ask for fewer.")
    draw = torch.Generator().manual_seed(seed)
    centroids = vectors[torch.randperm(len(vectors), generator=draw)[:count]].clone()
    for _ in range(_ROUNDS):
        best = [(part @ centroids.T).max(dim=1) for part in vectors.split(_VECTORS_AT_ONCE)]
        closeness, nearest = (torch.cat(parts) for parts in zip(*best, strict=True))
        sums = torch.zeros_like(centroids).index_add_(0, nearest, vectors)
        empty = torch.bincount(nearest, minlength=count) == 0
        furthest = closeness.argsort(stable=True)[: int(empty.sum())]
        sums[empty] = vectors[furthest]
        centroids = F.normalize(sums, dim=1)
    return centroids
