"""Predicted bases: polynomials per CPU second of one core, and training steps on a device.

The predictor is the one that is shipped; its time counts everything from the exponents to the
basis. Beside it stand its floating-point operations per polynomial and the rate of a matrix product
of the same machine, in the same run. With `--train cuda` (or cpu) training steps are timed instead:
terms and pairs per second, and the share of the measured matrix-product rate that they reach.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.calibration import calibrate
from tasks.nn import train_steps
from tasks.sos.prediction.config import PredictorConfig
from tasks.sos.prediction.examples import row_example
from tasks.sos.prediction.graphs import gram_graph
from tasks.sos.prediction.learners import learner, new_state
from tasks.sos.prediction.network import as_tensors
from tasks.sos.prediction.predictor import shipped_predictor
from tasks.sos.prediction.training import draw_graphs
from tasks.sos.sampling.cells import FAMILIES, Cell

POINTS = ("n6-d6-m30", "n6-d10-m30", "n8-d10-m30", "n6-d10-m60")
COUNT, TURNS = 20, 3
BAR = 25.0
"""Polynomials per second and core at m about 30: 50 on two cores."""
TRAINING = PredictorConfig(width=128, rounds=6, batch_size=128, steps=1000)


def best(call: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Seconds of the fastest of some calls."""
    times = []
    for _ in range(TURNS):
        start = clock()
        call()
        times.append(clock() - start)
    return min(times)


def matmul_rate(device: torch.device, size: int = 1024) -> float:
    """Floating-point operations per second of a product of square matrices."""
    a = torch.rand(size, size, device=device)

    def product() -> None:
        for _ in range(10):
            a @ a
        if device.type == "cuda":
            torch.cuda.synchronize()

    product()
    return 20 * size**3 / best(product, time.perf_counter)


@torch.inference_mode()
def measure(family: str, point: str, rate: float) -> float:
    """Print polynomials per second of a cell, with the parts of the time."""
    predictor, cell = shipped_predictor(), Cell.of(family, point)
    rows = [row_example(cell, 1, k) for k in range(COUNT)]

    def graphs() -> list:
        return [gram_graph(row.exponents, row.coefficients) for row in rows]

    built = graphs()
    making = best(graphs)
    scoring = best(lambda: [predictor.model(as_tensors(graph)) for graph in built])
    with FlopCounterMode(display=False) as counter:
        for graph in built:
            predictor.model(as_tensors(graph))
    operations = counter.get_total_flops() / COUNT
    speed = COUNT / (making + scoring)
    print(
        f"{cell.name:30} {speed:6,.0f}/s  graph {1e3 * making / COUNT:6.1f} ms  "
        f"network {1e3 * scoring / COUNT:6.1f} ms  {operations / 1e6:6.1f} MFLOP, "
        f"{operations / (scoring / COUNT) / rate:.0%} of a matrix product"
    )
    return speed


@dataclass(frozen=True)
class TrainingRate:
    """Training steps, terms and pairs per second; `utilization` as a share of a matrix product."""

    steps: float
    terms: float
    pairs: float
    utilization: float


def training(config: PredictorConfig, device: torch.device, *, size: int = 4096) -> TrainingRate:
    """Time training steps on four batches that are there already.

    Parameters
    ----------
    config : PredictorConfig
        Of a scorer.
    device : torch.device
    size : int
        Rows of the matrices whose product is the measure of the utilization.
    """
    kind, state = learner(config), new_state(config, device)
    batches = [
        kind.batch(
            draw_graphs(config, "training", k * config.batch_size, config.batch_size), device
        )
        for k in range(4)
    ]
    terms = sum(len(batch.graph.terms) for batch in batches)
    pairs = sum(len(batch.graph.pairs) for batch in batches)
    with FlopCounterMode(display=False) as counter:
        for batch in batches:
            kind.loss(state.model, batch).backward()

    def steps() -> None:
        until = state.step + len(batches)
        train_steps(state, batches, kind.loss, until=until)
        if device.type == "cuda":
            torch.cuda.synchronize()

    steps()
    seconds = best(steps, time.perf_counter)
    share = counter.get_total_flops() / seconds / matmul_rate(device, size)
    return TrainingRate(len(batches) / seconds, terms / seconds, pairs / seconds, share)


def print_training(device: torch.device) -> None:
    """Print the rate of training steps."""
    found = training(TRAINING, device)
    print(
        f"training on {device}: {found.steps:.2f} steps/s of {TRAINING.batch_size}, "
        f"{found.terms:,.0f} terms/s, {found.pairs:,.0f} pairs/s, "
        f"{found.utilization:.1%} of the rate of a matrix product"
    )


def main(arguments: list[str]) -> int:
    """Run everything; exit 1 if a bar is missed."""
    print(calibrate())
    if arguments[:1] == ["--train"]:
        print_training(torch.device(arguments[1]))
        return 0
    torch.set_num_threads(1)
    rate = matmul_rate(torch.device("cpu"))
    print(f"matrix product, one thread, float32: {rate / 1e9:.1f} GFLOP/s")
    speeds = [measure(family, point, rate) for point in POINTS for family in FAMILIES[:4]]
    worst = min(speeds[: 3 * 4])
    verdict = "ok" if worst >= BAR else "BELOW THE BAR"
    print(f"m about 30, slowest cell: {worst:,.0f}/s on one core, bar {BAR:,.0f}  {verdict}")
    return 0 if worst >= BAR else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
