"""Named, frozen configs: one module per field, each recipe with a smoke twin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.records import FrozenConfig

__all__ = ["SMOKE_SUFFIX", "Recipe"]

SMOKE_SUFFIX = "-smoke"


@dataclass(frozen=True)
class Recipe:
    """A named config and its twin for a quick trial.

    Attributes
    ----------
    name : str
        Name on the command line; the twin is called ``<name>-smoke``.
    summary : str
        One line for people.
    config : callable
        Makes the frozen config.
    smoke : callable
        Makes a config of the same shape that runs in less than 10 s on one CPU.
    """

    name: str
    summary: str
    config: Callable[[], FrozenConfig]
    smoke: Callable[[], FrozenConfig]
