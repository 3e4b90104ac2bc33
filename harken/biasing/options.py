"""How one window is written, terms apart: what was said before it, and how freely tokens are chosen."""

from dataclasses import dataclass

import numpy as np
import torch

from harken.whisper import Whisper


@dataclass(frozen=True)
class DecodingOptions:
    """Of one window.

    Attributes:
        prompt: text that went before; the decoder goes on in its style and spelling. "": none.
        temperature: 0 takes the best token; above, tokens are drawn from the scores divided by it.
        seed: of the drawing; the same one draws the same text, whatever else is in the batch.
    """

    prompt: str = ""
    temperature: float = 0.0
    seed: int = 0


GREEDY = DecodingOptions()
"""No prompt, the best tokens."""


class Sampler:
    """Chooses the tokens of a batch's rows, each by its own options.

    A token is drawn as the best of score / temperature + Gumbel noise (the Gumbel-max trick). Noise belongs to seed and
    position, so that rows of one window differ by what helps them alone, and scores that differ in their last bits,
    as they do from batch to batch, draw the same tokens.
    """

    def __init__(self, whisper: Whisper, options: list[DecodingOptions]) -> None:
        self._options = options
        self.active = any(one.temperature > 0 for one in options)
        # Nothing but chance leads there: they are no text.
        self._special = sorted(whisper.special_tokens - {whisper.end_token})

    def choose(self, scores: torch.Tensor, positions: list[int]) -> torch.Tensor:
        """The tokens (rows,) for scores (rows, vocabulary), where each row has written so many tokens."""
        if not self.active:
            return scores.argmax(dim=-1)
        scores = scores.clone()
        for row, (options, position) in enumerate(zip(self._options, positions, strict=True)):
            if options.temperature > 0:
                scores[row, self._special] = -torch.inf
                noise = np.random.default_rng((options.seed, position)).gumbel(size=scores.shape[1])
                scores[row] = scores[row] / options.temperature + torch.from_numpy(noise).to(scores)
        return scores.argmax(dim=-1)
