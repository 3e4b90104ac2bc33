"""Boosted decoding: the decoder is helped to write the detected terms where they were said.

A trie of the terms' token sequences raises the log-probability of the tokens that begin a term or continue one that is
begun. How much depends on where the decoder listens: the share of the current cross-attention that falls on the time
span of the term's detection (within a slack) scales the boost, so that a term is not drawn to where it was not said.

A term that is begun and not finished is taken back: the tokens since its beginning are withdrawn and the decoder goes
on from there without help (`TermBoosting.take_back`), so that half of a term gains nothing. In beam search the same end
is reached by refunding the boost of a path that leaves the trie; greedy decoding has nothing to refund it to.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from transformers import LogitsProcessor

from harken.biasing.trie import TrieNode, term_trie
from harken.detection import Detection

# Attention is never all on the word it writes: this share of it on the span counts as listening there.
_ATTENTIVE = 0.4
# Below this share of the full boost the decoder listens elsewhere.
_LEAST = 0.25


@dataclass
class _Path:
    """A term being written: where it began among the row's tokens, and how far it is."""

    begin: int
    node: TrieNode
    finished: bool

    def follow(self, token: int) -> "_Path":
        node = self.node.children[token]
        return _Path(self.begin, node, self.finished or node.ends)


@dataclass
class _Row:
    root: TrieNode
    spans: list[slice]
    boosted: dict[int, float] = field(default_factory=dict)
    paths: list[_Path] = field(default_factory=list)
    blocked: set[int] = field(default_factory=set)


class TermBoosting(LogitsProcessor):
    """Raises log-probabilities of detected terms, in the decoding of one batch.

    Args:
        encode: a text's tokens, without special ones.
        detections: of each row of the batch; none: the row is left as it is.
        frame_seconds: between two frames of the attention.
        attention: the newest cross-attention of all rows, float (rows, frames), each row summing to 1.
        weight: nats added to a token of a term that is said where the decoder listens.
        slack: seconds by which a detection's span is widened at both ends.
    """

    def __init__(
        self,
        encode: Callable[[str], Sequence[int]],
        detections: Sequence[Sequence[Detection]],
        frame_seconds: float,
        attention: Callable[[], torch.Tensor],
        weight: float,
        slack: float,
    ) -> None:
        self._attention = attention
        self._weight = weight
        self._rows: list[_Row | None] = []
        for found in detections:
            spans = [
                slice(max(0, int((one.start - slack) / frame_seconds)), int((one.end + slack) / frame_seconds) + 1)
                for one in found
            ]
            root = term_trie([one.spellings or (one.term,) for one in found], encode)
            self._rows.append(_Row(root, spans) if found else None)
        self._lengths = [0] * len(self._rows)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores (rows, vocabulary) with the boosts added; what was written is known from `take_back`."""
        attention = self._attention().cpu()
        scores = scores.clone()
        for number, row in enumerate(self._rows):
            if row is None:
                continue
            boosts: dict[int, float] = {}
            for path in row.paths:
                boosts.update(dict.fromkeys(path.node.children, self._weight))
            # No term begins inside another: the two would compete, and neither be finished.
            if self._lengths[number] not in row.blocked and all(path.node.ends for path in row.paths):
                listening = [min(1.0, float(attention[number, span].sum()) / _ATTENTIVE) for span in row.spans]
                for token, child in row.root.children.items():
                    boost = self._weight * max(listening[term] for term in child.terms)
                    boosts[token] = max(boost, boosts.get(token, 0.0))
            row.boosted = {token: boost for token, boost in boosts.items() if boost >= self._weight * _LEAST}
            if row.boosted:
                tokens = torch.tensor(list(row.boosted), device=scores.device)
                scores[number, tokens] += torch.tensor(list(row.boosted.values()), device=scores.device)
        return scores

    def take_back(self, number: int, token: int) -> int:
        """Tell which token was chosen for a row; returns how many of its last tokens have to be withdrawn with it.

        0 almost always: the token is kept. More when it leaves a term unfinished; then the token is not kept either.
        """
        row = self._rows[number]
        if row is None:
            return 0
        place = self._lengths[number]
        paths = [path.follow(token) for path in row.paths if token in path.node.children]
        left = [path.begin for path in row.paths if token not in path.node.children and not path.finished]
        if token in row.root.children and token in row.boosted and place not in row.blocked:
            paths.append(_Path(place, row.root, False).follow(token))
        if left and not any(path.begin <= min(left) for path in paths):
            begin = min(left)
            row.blocked.add(begin)
            row.paths = [path for path in paths if path.begin < begin]
            self._lengths[number] = begin
            return place - begin
        row.paths = [path for path in paths if path.node.children]
        self._lengths[number] += 1
        return 0
