"""Cosine similarity of a keyword's and an utterance's frames, as maps in which a spoken keyword draws a diagonal."""

import torch
import torch.nn.functional as F
from torch import Tensor

from compression.diagonals import best_diagonals
from compression.frames import Frames
from harken.errors import HarkenError


def cosine_maps(keywords: Frames, utterances: Frames) -> Tensor:
    """Cosine of every keyword frame with every utterance frame of the same row and layer (second paper, section 2.1).

    Args:
        keywords: (pairs, layers, keyword frames, size).
        utterances: (pairs, layers, utterance frames, size).

    Returns:
        float32 (pairs, layers, keyword frames, utterance frames); 0 wherever either frame is padding.
    """
    # Autocast would take the product in 16 bits, which costs the maps more than it saves.
    with torch.autocast(keywords.values.device.type, enabled=False):
        rows, columns = (F.normalize(side.without_padding().values.float(), dim=-1) for side in (keywords, utterances))
        return torch.einsum("plkd,plud->plku", rows, columns)


def full_maps(maps: Tensor, rows: int, columns: int) -> Tensor:
    """Maps zero-padded to the fixed size (pairs, layers, rows, columns), as the paper's classifier sees them.

    What is cut off must be padding: `check_rows` refuses longer keywords, an encoder has no longer utterances.
    """
    maps = maps[:, :, :rows, :columns]
    return F.pad(maps, (0, columns - maps.shape[3], 0, rows - maps.shape[2]))


def cropped_maps(maps: Tensor, keyword_lengths: Tensor, rows: int, columns: int) -> Tensor:
    """Maps cut to (pairs, layers, rows, columns) with the best diagonal of the layers' mean in the middle.

    A window that reaches beyond the utterance holds zeros there. The choice of the window has no gradient; what is
    inside it has.
    """
    found = best_diagonals(maps.detach().mean(dim=1), keyword_lengths)
    starts = (found.starts + found.ends - columns) // 2
    index = starts[:, None] + torch.arange(columns, device=maps.device)
    outside = (index < 0) | (index >= maps.shape[3])
    gathered = index.clamp(0, maps.shape[3] - 1)[:, None, None, :].expand(-1, maps.shape[1], maps.shape[2], -1)
    cropped = maps.gather(3, gathered).masked_fill(outside[:, None, None, :], 0.0)
    return full_maps(cropped, rows, columns)


def check_rows(keywords: Frames, rows: int) -> None:
    """Refuse keywords with more frames than a map has rows.

    Raises:
        HarkenError: the longest is too long.
    """
    # The tensor's size settles it in nearly every batch, without waiting for a GPU.
    if keywords.values.shape[2] > rows and int(keywords.lengths.max()) > rows:
        raise HarkenError(
            "keyword frames",
            int(keywords.lengths.max()),
            f"The spotter takes at most {rows}: trim the term, or train with a larger verifier.keyword_seconds.",
        )
