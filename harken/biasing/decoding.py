"""Decoding of a batch in which every row has a prompt of its own and may be steered.

Rows with and without a prompt, of the same encoder output, are one batch: prompts are padded at the left and masked.
A row that is taken back (`harken.biasing.boosting`) goes on from an earlier token: what it wrote since is masked out of
its cache, so that the other rows need not wait.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from harken.biasing.boosting import TermBoosting
from harken.biasing.cross_states import CrossStates
from harken.biasing.options import GREEDY, DecodingOptions, Sampler
from harken.detection import Detection
from harken.forced_alignment import CrossAttention, alignment_heads
from harken.whisper import Hypothesis, Whisper


@dataclass(frozen=True)
class DecodingRow:
    """One decoding of one window.

    Attributes:
        prompt: tokens before ``<|startoftranscript|>``.
        boosted: terms that are helped.
        options: how tokens are chosen; its prompt is in `prompt`.
    """

    window: int
    prompt: tuple[int, ...] = ()
    boosted: tuple[Detection, ...] = ()
    options: DecodingOptions = GREEDY


@dataclass(frozen=True)
class Boost:
    """How strongly terms are helped; see `TermBoosting`."""

    weight: float
    slack: float


def decode_rows(
    whisper: Whisper,
    states: CrossStates,
    rows: Sequence[DecodingRow],
    seconds: Sequence[float],
    boost: Boost,
    language: str = "zh",
    max_new_tokens: int = 128,
) -> list[Hypothesis]:
    """Decode each row; one without prompt, terms and temperature gives what `Whisper.decode` gives.

    Args:
        states: of full windows.
        seconds: of audio in each window.
        max_new_tokens: per row, at most what the decoder's positions leave beside its prompt.

    Returns:
        In the order of the rows; log-probabilities are the model's own, without boosts and temperature.

    Raises:
        HarkenError: the model does not know the language.
    """
    start = whisper.prompt_tokens(language)
    sampler = Sampler(whisper, [row.options for row in rows])
    batch = _Batch(whisper, [[*row.prompt, *start] for row in rows], max_new_tokens, sampler)
    silent: list[float] | None = None
    windows = [row.window for row in rows]
    hidden, cache = states.rows(windows), states.cache(windows)
    decoder, project = whisper.model.get_decoder(), whisper.model.get_output_embeddings()
    frames = [_frames(whisper, seconds[row.window], hidden.shape[1]) for row in rows]
    with torch.inference_mode(), CrossAttention(whisper, alignment_heads(whisper)) as attention:
        steering = TermBoosting(
            whisper.plain_tokens,
            [row.boosted for row in rows],
            whisper.frame_seconds,
            lambda: attention.newest(cache, frames),
            boost.weight,
            boost.slack,
        )
        steered = any(row.boosted for row in rows)
        while not batch.finished():
            ids, mask, positions = batch.inputs()
            output = decoder(
                input_ids=ids,
                attention_mask=mask,
                encoder_hidden_states=hidden,
                past_key_values=cache,
                position_ids=positions,
                use_cache=True,
            )
            if silent is None:
                silent = _no_speech(whisper, project(output.last_hidden_state[:, -len(start)]))
            scores = batch.allowed(project(output.last_hidden_state[:, -1]).float())
            batch.choose(scores, steering(ids, scores) if steered else scores, steering)
    return [
        whisper.hypothesis(*found)
        for found in zip(batch.tokens, batch.logprobs, batch.ended, silent or [math.nan] * len(rows), strict=True)
    ]


def _no_speech(whisper: Whisper, scores: torch.Tensor) -> list[float]:
    """Of scores (rows, vocabulary) of what follows ``<|startoftranscript|>``."""
    token = whisper.no_speech_token
    if token is None:
        return [math.nan] * len(scores)
    found: list[float] = scores.float().softmax(dim=-1)[:, token].tolist()
    return found


def _frames(whisper: Whisper, seconds: float, most: int) -> int:
    return max(1, min(most, int(-(-seconds // whisper.frame_seconds))))


class _Batch:
    """Tokens, masks and positions of rows that are decoded together, and which of them have come to their end."""

    def __init__(
        self, whisper: Whisper, beginnings: Sequence[list[int]], max_new_tokens: int, sampler: Sampler
    ) -> None:
        self._sampler = sampler
        self._end = whisper.end_token
        self._device = whisper.device
        positions: int = whisper.model.config.max_target_positions
        longest = max(map(len, beginnings))
        padded = [[self._end] * (longest - len(tokens)) + tokens for tokens in beginnings]
        self._next = torch.tensor(padded, device=self._device)
        self._mask = torch.tensor(
            [[0] * (longest - len(tokens)) + [1] * len(tokens) for tokens in beginnings], device=self._device
        )
        self._last = [tokens[-1] for tokens in beginnings]
        self._limits = [min(max_new_tokens, positions - len(tokens)) for tokens in beginnings]
        # Where the last token of each row's beginning and each token after it stand in the mask.
        self._begins = [longest - 1] * len(beginnings)
        self._places: list[list[int]] = [[] for _ in beginnings]
        self.tokens: list[list[int]] = [[] for _ in beginnings]
        self.logprobs: list[list[float]] = [[] for _ in beginnings]
        self.ended = [False] * len(beginnings)
        self._done = [limit <= 0 for limit in self._limits]
        self._never, self._not_first = whisper.suppressed_tokens()

    def finished(self) -> bool:
        return all(self._done)

    def inputs(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What goes into the next pass: tokens (rows, new), mask (rows, all), positions (rows, new)."""
        positions = (self._mask.cumsum(dim=-1) - 1).clamp(min=0)
        return self._next, self._mask, positions[:, -self._next.shape[1] :]

    def allowed(self, scores: torch.Tensor) -> torch.Tensor:
        """Scores without the tokens that the generation configuration suppresses."""
        scores[:, self._never] = -torch.inf
        for row, tokens in enumerate(self.tokens):
            if not tokens:
                scores[row, self._not_first] = -torch.inf
        return scores

    def choose(self, own: torch.Tensor, steered: torch.Tensor, steering: TermBoosting) -> None:
        """Take each row's next token, or take tokens back."""
        best = self._sampler.choose(steered, [len(tokens) for tokens in self.tokens])
        logprobs = own.log_softmax(dim=-1).gather(1, best[:, None])[:, 0].tolist()
        following, here = [], self._mask.shape[1]
        kept: list[int] = []
        for row, (token, logprob) in enumerate(zip(best.tolist(), logprobs, strict=True)):
            if self._done[row]:
                following.append(self._end)
                kept.append(0)
                continue
            back = steering.take_back(row, token)
            if back:
                following.append(self._withdraw(row, back))
            else:
                self._keep(row, token, logprob, here)
                following.append(token)
            kept.append(0 if self._done[row] else 1)
        self._next = torch.tensor(following, device=self._device)[:, None]
        self._mask = torch.cat([self._mask, torch.tensor(kept, device=self._device)[:, None]], dim=1)

    def _keep(self, row: int, token: int, logprob: float, place: int) -> None:
        self.logprobs[row].append(logprob)
        if token == self._end:
            self.ended[row] = self._done[row] = True
            return
        self.tokens[row].append(token)
        self._places[row].append(place)
        self._done[row] = len(self.tokens[row]) >= self._limits[row]

    def _withdraw(self, row: int, count: int) -> int:
        """Forget the row's last tokens and say what is given to the decoder again: the token before them."""
        for place in self._places[row][-count:]:
            self._mask[row, place] = 0
        keep = len(self.tokens[row]) - count
        self.tokens[row], self.logprobs[row] = self.tokens[row][:keep], self.logprobs[row][:keep]
        self._places[row] = self._places[row][:keep]
        # It is read once more, at a new place of the cache.
        if keep:
            self._mask[row, self._places[row][-1]] = 0
            self._places[row][-1] = self._mask.shape[1]
            return self.tokens[row][-1]
        self._mask[row, self._begins[row]] = 0
        self._begins[row] = self._mask.shape[1]
        return self._last[row]
