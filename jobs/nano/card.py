"""The model card."""

from __future__ import annotations


def write_card(config, folder, figures, stored) -> None:
    raise NotImplementedError
