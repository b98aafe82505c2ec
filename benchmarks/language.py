"""Pruned language models: what they cost, as ratios within one run on one core.

python -m benchmarks.language           # two minutes
python -m benchmarks.language --full    # all 210 matrices of SmolLM2, whole layers
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable

import torch

from benchmarks import language_layers as layers
from benchmarks.calibration import calibrate

FIGURES: tuple[Callable[[bool], bool], ...] = (
    layers.least_squares,
    layers.all_matrices,
    layers.swaps,
    layers.sparse_products,
)
"""Each prints its lines, in full if that is asked for, and tells whether its bars are met."""


def main() -> int:
    """All figures; 1 if a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="all matrices, whole layers")
    full = parser.parse_args().full
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
    print(calibrate())
    met = [figure(full) for figure in FIGURES]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
