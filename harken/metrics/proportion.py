"""The interval of a share of independent trials."""

import math

from scipy.stats import beta

from harken.metrics.bootstrap import Interval

_Z = 1.959963984540054


def wilson(successes: int, trials: int) -> Interval:
    """The share with its 95% interval by Wilson's score (1927): right near 0 and 1 and for few trials.

    Example:
        >>> wilson(10, 10)["low"] > 0.7
        True
    """
    if not trials:
        return {"value": None, "low": None, "high": None}
    share, spread = successes / trials, _Z**2 / trials
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / trials + spread / (4 * trials)) / (1 + spread)
    # At the ends the formula gives exactly 0 and 1, but for rounding.
    low = middle - half if successes else 0.0
    high = middle + half if successes < trials else 1.0
    return {"value": share, "low": low, "high": high}


def clopper_pearson(successes: int, trials: int) -> Interval:
    """The share with its exact 95% interval (Clopper and Pearson 1934): never too narrow, whatever the share.

    Example:
        >>> round(clopper_pearson(10, 10)["low"], 3)
        0.692
    """
    if not trials:
        return {"value": None, "low": None, "high": None}
    low = float(beta.ppf(0.025, successes, trials - successes + 1)) if successes else 0.0
    high = float(beta.ppf(0.975, successes + 1, trials - successes)) if successes < trials else 1.0
    return {"value": successes / trials, "low": low, "high": high}
