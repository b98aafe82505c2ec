"""The bench of a config: of text if its data set is one, else of images or data of one's own."""

from __future__ import annotations

from typing import Any

from tasks.nn.bench import Bench
from tasks.nn.config import TEXTS
from tasks.nn.textbench import TextBench
from tasks.nn.workbench import Workbench

__all__ = ["open_bench"]


def open_bench(config: Any, device: str = "cpu") -> Bench:
    """Bench of a config on a device; data are read once per process.

    Raises
    ------
    InputError
        If files of the data set are missing or damaged.
    """
    kind = TextBench if config.dataset in TEXTS and not config.data else Workbench
    return kind.open(config, device)
