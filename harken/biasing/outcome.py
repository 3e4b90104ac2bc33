"""What became of a detection, in a word."""

from typing import Literal

from harken.biasing.guards import ALREADY_RIGHT
from harken.biasing.transcript import Decision

Outcome = Literal["applied", "already right", "rejected"]
OUTCOMES: tuple[Outcome, ...] = ("applied", "already right", "rejected")


def outcome_of(decision: Decision) -> Outcome:
    """'applied': its words changed to the term; 'already right': the text has it without help; else 'rejected'."""
    if decision.reason == ALREADY_RIGHT:
        return "already right"
    return "applied" if decision.accepted else "rejected"
