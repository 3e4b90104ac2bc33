"""From the stages' scores to a probability, and what each stage must let through to lose next to nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from harken.errors import HarkenError

FEATURES = ("path", "verifier", "span", "length")
"""Columns of `Evidence.features`: the z-normed path score, the verifier's logit, the best window's cosine, and the
logarithm of the enrolment's kept frames."""
# More of each of these never makes a term less likely. A term's length may speak for or against it.
_RISING = ("path", "verifier", "span")
_SHARED = 0.5
_LEAST = 1e-9


@dataclass(frozen=True)
class Evidence:
    """What the stages found in one utterance, a row for each entry at each of its places.

    `features` (n, 4) in the order of `FEATURES`; `starts` and `ends` (n,), the first frame and one past the last;
    `entries` (n,): rows of one entry do not compete.
    """

    features: NDArray[np.float64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    entries: NDArray[np.uint64]

    def competing(self) -> NDArray[np.bool_]:
        """(n, n), true where two entries share half of the shorter one's frames or more."""
        shared = np.minimum(self.ends[:, None], self.ends) - np.maximum(self.starts[:, None], self.starts)
        shorter = np.minimum((self.ends - self.starts)[:, None], self.ends - self.starts)
        competes: NDArray[np.bool_] = (shared >= _SHARED * shorter) & (self.entries[:, None] != self.entries)
        return competes

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True)
class Labelled:
    """Evidence with what is known of it: `said` (n,), and `counted` (n,), false where nobody can tell."""

    evidence: Evidence
    said: NDArray[np.bool_]
    counted: NDArray[np.bool_]


@dataclass(frozen=True)
class Calibration:
    """A choice between the terms at one place and none of them, and the stages' thresholds.

    A term's logit is linear in its features. Its probability is its share of the odds of all that compete with it and
    of none being said, 1: two terms at one place are never both likely, and where many terms come close, as they do
    in a large glossary, none of them is.

    Attributes:
        weights: of the features as they are.
        bias: of the logit.
        span_threshold: cosine from which the first stage lets a term through.
        path_threshold: z-normed path score from which the second stage does.
        span_cap: terms of each partition of a glossary that the first stage lets through at most.
        path_cap: the same of the second stage.
    """

    weights: tuple[float, ...]
    bias: float
    span_threshold: float
    path_threshold: float
    span_cap: int
    path_cap: int

    def probability(self, evidence: Evidence) -> NDArray[np.float64]:
        """The probability (n,) that a term was said where it was found."""
        if not len(evidence):
            return np.zeros(0)
        logits = torch.from_numpy(evidence.features @ np.array(self.weights) + self.bias)
        found: NDArray[np.float64] = _log_shares(logits, torch.from_numpy(evidence.competing())).exp().numpy()
        return found

    def as_json(self) -> dict[str, Any]:
        """The calibration as it stands in a file."""
        return asdict(self) | {"weights": dict(zip(FEATURES, self.weights, strict=True))}

    @classmethod
    def from_json(cls, found: Mapping[str, Any], path: Path) -> Calibration:
        """What `as_json` gave.

        Raises:
            HarkenError: other features than this release has, or a number that is missing.
        """
        try:
            weights = found["weights"]
            if list(weights) != list(FEATURES):
                raise KeyError(f"weights of {list(weights)}")
            return cls(**dict(found) | {"weights": tuple(float(weight) for weight in weights.values())})
        except (KeyError, TypeError, AttributeError, ValueError) as failure:
            remedy = f"It does not hold what this release needs ({failure}): train the search model again."
            raise HarkenError("calibration", str(path), remedy) from None


def fit_weights(labelled: Sequence[Labelled], penalty: float) -> tuple[tuple[float, ...], float]:
    """Weights and bias of the features as they are, from what was said in some utterances.

    The features are standardised for the fit, on whose weights the penalty lies; all weights but the length's are
    zero or above.

    Raises:
        HarkenError: no said row, or no other.
    """
    said = np.concatenate([one.said for one in labelled] or [np.zeros(0, bool)])
    counted = np.concatenate([one.counted for one in labelled] or [np.zeros(0, bool)])
    if said[counted].all() or not said[counted].any():
        remedy = f"Of {int(counted.sum())} some must be said and some not."
        raise HarkenError("terms to calibrate on", int(said[counted].sum()), remedy)
    values = np.concatenate([one.evidence.features for one in labelled])
    means, scales = values[counted].mean(axis=0), values[counted].std(axis=0).clip(min=1e-6)
    standard = [torch.from_numpy((one.evidence.features - means) / scales) for one in labelled]
    competing = [torch.from_numpy(one.evidence.competing()) for one in labelled]
    kept, true = torch.from_numpy(counted), torch.from_numpy(said)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        given = torch.tensor(parameters, requires_grad=True)
        logits = (part @ given[:-1] + given[-1] for part in standard)
        shares = [_log_shares(part, rivals) for part, rivals in zip(logits, competing, strict=True)]
        likely = torch.cat(shares).clamp(max=-_LEAST)
        losses = torch.where(true, -likely, -torch.log1p(-likely.exp()))
        # For each utterance, not for each row: how many rows there are is nothing that was observed.
        total = losses[kept].sum() / len(labelled) + penalty * given[:-1].square().sum()
        total.backward()
        return total.item(), given.grad.numpy()  # type: ignore[union-attr]

    bounds = [(0.0, None) if name in _RISING else (None, None) for name in FEATURES] + [(None, None)]
    found = minimize(loss, np.zeros(len(FEATURES) + 1), jac=True, method="L-BFGS-B", bounds=bounds).x
    weights = found[:-1] / scales
    return tuple(weights.tolist()), float(found[-1] - weights @ means)


def _log_shares(logits: Tensor, competing: Tensor) -> Tensor:
    """Logarithm of each row's share (n,) of its own odds, its competitors' (n, n) and 1."""
    rivals = logits.expand(len(logits), -1).masked_fill(~competing, -torch.inf)
    every = torch.cat([torch.zeros_like(logits)[:, None], logits[:, None], rivals], dim=1)
    return logits - every.logsumexp(dim=1)


def recall_threshold(scores: Sequence[float], recall: float) -> float:
    """The greatest threshold that at least `recall` of the scores reach.

    Raises:
        HarkenError: no scores.
    """
    if not len(scores):
        raise HarkenError("scores of said terms", 0, "A threshold needs some: no said term has a recording.")
    descending = np.sort(np.asarray(scores, dtype=np.float64))[::-1]
    return float(descending[min(len(descending), int(np.ceil(recall * len(descending)))) - 1])
