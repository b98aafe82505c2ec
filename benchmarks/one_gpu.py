"""Commands that measure on one GPU; they can be tried on a CPU, where no bar counts."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable

import torch

from benchmarks.calibration import calibrate

__all__ = ["measured", "options"]


def options(doc: str, small: str) -> argparse.ArgumentParser:
    """What all of them take: `--device`, and `--small`, which means what `small` says."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--small", action="store_true", help=small)
    return parser


def measured(device: str, met: Callable[[], Iterable[bool]]) -> int:
    """Measure on a device, and say which; 1 without a GPU or if it misses a bar."""
    if device == "cuda" and not torch.cuda.is_available():
        print("not measured: PyTorch finds no GPU")
        return 1
    print(calibrate())
    if device == "cuda":
        print(f"device: {torch.cuda.get_device_name()}")
    return 0 if all(list(met())) or device == "cpu" else 1
