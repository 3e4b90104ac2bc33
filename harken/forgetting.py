"""The forgetting gate: what a model could do before must survive the fine-tuning."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Forgetting:
    """Character error rates on general speech before and after, and how far they may rise, relative to before."""

    before: float
    after: float
    limit: float

    @property
    def change(self) -> float:
        """The relative rise; infinite from an error rate of zero to any other."""
        if self.before:
            return self.after / self.before - 1
        return math.inf if self.after else 0.0

    @property
    def failed(self) -> bool:
        """Whether it rose by more than the limit."""
        return self.change > self.limit

    def __str__(self) -> str:
        change = f"{self.change:+.1%}" if math.isfinite(self.change) else "from none"
        verdict = "FAILED" if self.failed else "passed"
        return (
            f"forgetting gate {verdict}: CER on general sentences {self.before:.3f} -> {self.after:.3f} "
            f"({change}, at most {self.limit:+.0%})"
        )
