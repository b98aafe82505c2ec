"""Pruned language models: what they cost, as ratios within one run on one core.

python -m benchmarks.language           # two minutes
python -m benchmarks.language --full    # all 210 matrices of SmolLM2, whole layers
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable

import torch

from benchmarks import language_layers as layers
from benchmarks import language_steps
from benchmarks.calibration import calibrate

TABLE = {"model": "tiny-opt", "pattern": "0.5", "seeds": "1"}
TABLE_SECONDS = 180.0


def whole_table(full: bool = False) -> bool:
    """The recipe `tiny` for one shape, one sparsity, one seed; in full as it is, for 20 minutes."""
    settings = {} if full else TABLE
    given = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    bar = 1200.0 if full else TABLE_SECONDS
    with tempfile.TemporaryDirectory() as store:
        command = [sys.executable, "-m", "flows.cli", "run", "perp", "--recipe", "tiny", *given]
        began = time.perf_counter()
        ended = subprocess.run([*command, "--out", store], check=False, stderr=subprocess.DEVNULL)
        seconds = time.perf_counter() - began
    is_met = ended.returncode == 0 and seconds <= bar
    what = "the whole recipe" if full else "one shape, sparsity and seed"
    print(f"table of perp, {what}: {seconds:.0f} s, {layers.verdict(is_met, f'{bar:.0f} s')}")
    return is_met


FIGURES: tuple[Callable[[bool], bool], ...] = (
    layers.least_squares,
    layers.all_matrices,
    layers.swaps,
    layers.sparse_products,
    language_steps.steps,
    whole_table,
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
