"""From the stages' scores to a probability, and what each stage must let through to lose next to nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from harken.errors import HarkenError

FEATURES = ("path", "verifier", "span", "length", "margin")
"""Columns of `Calibration.probability`: the z-normed path score, the verifier's logit, the best window's cosine, the
logarithm of the enrolment's kept frames, and `margins` of the verifier's logits."""
# More of each of these never makes a term less likely. A term's length may speak for or against it.
_RISING = ("path", "verifier", "span", "margin")
MARGIN_LIMIT = 10.0
"""The margin of a term without a competitor; greater ones count as this."""
_SHARED = 0.5


@dataclass(frozen=True)
class Calibration:
    """A logistic regression over `FEATURES`, and the stages' thresholds.

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

    def probability(self, features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """The probability (n,) that a term was said, of its features (n, 5) in the order of `FEATURES`."""
        found: NDArray[np.float64] = expit(np.asarray(features, dtype=np.float64) @ np.array(self.weights) + self.bias)
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


def fit_weights(
    features: NDArray[np.floating[Any]], labels: NDArray[np.bool_], penalty: float
) -> tuple[tuple[float, ...], float]:
    """Weights and bias of the features as they are, of pairs (n, 5) and whether the term was said (n,).

    The features are standardised for the fit, on whose weights the penalty lies; all weights but the length's are
    zero or above.

    Raises:
        HarkenError: no said pair, or no other.
    """
    if labels.all() or not labels.any():
        raise HarkenError(
            "pairs to calibrate on", int(labels.sum()), f"Of {len(labels)} some must be said and some not."
        )
    values = np.asarray(features, dtype=np.float64)
    means, scales = values.mean(axis=0), values.std(axis=0).clip(min=1e-6)
    standard = (values - means) / scales
    signs = np.where(labels, 1.0, -1.0)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = signs * (standard @ parameters[:-1] + parameters[-1])
        slopes = -signs * expit(-logits) / len(signs)
        gradient = np.append(standard.T @ slopes + 2 * penalty * parameters[:-1], slopes.sum())
        return float(np.logaddexp(0, -logits).mean() + penalty * parameters[:-1] @ parameters[:-1]), gradient

    bounds = [(0.0, None) if name in _RISING else (None, None) for name in FEATURES] + [(None, None)]
    found = minimize(loss, np.zeros(len(FEATURES) + 1), jac=True, method="L-BFGS-B", bounds=bounds).x
    weights = found[:-1] / scales
    return tuple(weights.tolist()), float(found[-1] - weights @ means)


def margins(
    starts: NDArray[np.integer[Any]], ends: NDArray[np.integer[Any]], scores: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """How far each term's score is above the best other term's at the same place, within +-`MARGIN_LIMIT`.

    Two terms are at the same place if they share half of the shorter one's frames or more.

    Args:
        starts: (n,), first frame of each term.
        ends: (n,), one past its last frame.
        scores: (n,), the verifier's logits; one entry of each term, its best enrolment.
    """
    scores = np.asarray(scores, dtype=np.float64)
    shared = np.minimum(ends[:, None], ends) - np.maximum(starts[:, None], starts)
    shorter = np.minimum((ends - starts)[:, None], ends - starts)
    competes = shared >= _SHARED * shorter
    np.fill_diagonal(competes, False)
    best = np.where(competes, scores, -np.inf).max(axis=1, initial=-np.inf)
    margin: NDArray[np.float64] = np.clip(scores - best, -MARGIN_LIMIT, MARGIN_LIMIT)
    return margin


def recall_threshold(scores: Sequence[float], recall: float) -> float:
    """The greatest threshold that at least `recall` of the scores reach.

    Raises:
        HarkenError: no scores.
    """
    if not len(scores):
        raise HarkenError("scores of said terms", 0, "A threshold needs some: no said term has a recording.")
    descending = np.sort(np.asarray(scores, dtype=np.float64))[::-1]
    return float(descending[min(len(descending), int(np.ceil(recall * len(descending)))) - 1])
