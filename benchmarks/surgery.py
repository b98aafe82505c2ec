"""Half of the channels cut out, beside torch-pruning: `python -m benchmarks.surgery`.

Networks of `tests.problems.networks` learn the digits, lose half of every group of channels by the
norms of their filters, and train again, as long with both tools and with the same batches.  Without
torch-pruning (`pip install torch-pruning==1.6.1`; not a dependency) only our columns are filled.
Times are CPU seconds of the best turn.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from statistics import mean
from typing import Any

import torch
from torch import nn

from benchmarks.calibration import calibrate
from benchmarks.turns import fastest
from tasks.nn import Linear, TrainingState, classification_loss, evaluate, train_steps
from tasks.nn.data import Dataset, ImageBatches, load_dataset
from tasks.nn.models import num_parameters
from tasks.nn.sparsity import (
    channel_groups,
    channel_norms,
    count_multiplications,
    largest_channels,
    without_channels,
)
from tests.problems.networks import NETWORKS

NAMES = (
    "grouped", "flattening", "mobile", "concatenating", "gated", "vision-transformer", "convnext",
)  # fmt: skip
SEEDS, BATCH, RATE = 3, 64, 6e-3
TRAINING, RETRAINING = 200, 100
TIMED, SECONDS = 2, 0.6
Cut = Callable[[nn.Module, torch.Tensor], nn.Module]


@dataclass(frozen=True)
class Result:
    """A network after retraining."""

    accuracy: float
    parameters: int
    multiplications: int
    step_seconds: float


def ours(model: nn.Module, images: torch.Tensor) -> nn.Module:
    """Half of each group, by the norms of filters."""
    groups = channel_groups(model, images)
    kept = largest_channels(channel_norms(model, groups), 0.5)
    return without_channels(model, groups, kept)


def theirs(model: nn.Module, images: torch.Tensor) -> nn.Module:
    """The same with torch-pruning, by the norms of the first layer of each of its groups."""
    library: Any = importlib.import_module("torch_pruning")
    warnings.simplefilter("ignore")  # It tells how it takes parameters outside of layers.
    model = copy.deepcopy(model).eval()
    heads = {m: m.num_heads for m in model.modules() if isinstance(m, nn.MultiheadAttention)}
    last = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
    head = getattr(model, "head", last)
    pruner = library.pruner.MagnitudePruner(
        model,
        images[:1],
        importance=library.importance.MagnitudeImportance(p=2, group_reduction="first"),
        pruning_ratio=0.5,
        num_heads=heads,
        ignored_layers=[head],
    )
    pruner.step()
    return model


def trained(model: nn.Module, data: Dataset, steps: int, seed: int) -> nn.Module:
    """The model after some steps of Adam with a falling rate."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=1e-2)
    state = TrainingState(model, optimizer, Linear(RATE, 0.0, steps))
    train_steps(state, ImageBatches(data, BATCH, seed).at(0), classification_loss, until=steps)
    return model


def measured(models: dict[str, nn.Module], data: Dataset) -> dict[str, Result]:
    """Measures of models; steps of those that are cut take turns."""
    batches = list(islice(ImageBatches(data, BATCH, 0).at(0), TIMED))
    calls = {tool: partial(steps, copy.deepcopy(m).train(), batches) for tool, m in models.items()}
    # By itself: what it leaves in memory slows the model that comes next.
    seconds = fastest({"whole": calls.pop("whole")}, SECONDS) | fastest(calls, SECONDS)
    return {
        tool: Result(
            evaluate(model, data, data.test).accuracy,
            num_parameters(model),
            count_multiplications(model, batches[0][0]).dense,
            seconds[tool] / TIMED,
        )
        for tool, model in models.items()
    }


def steps(model: nn.Module, batches: list[Any]) -> None:
    """Forward and backward passes."""
    for batch in batches:
        classification_loss(model, batch).backward()


def contestants() -> dict[str, Cut]:
    """Tools that are installed."""
    found: dict[str, Cut] = {"latticework": ours}
    if importlib.util.find_spec("torch_pruning") is not None:
        found["torch-pruning"] = theirs
    return found


def report(name: str, data: Dataset) -> None:
    """Print what both tools leave of a network, means over seeds."""
    found: dict[str, list[Result]] = {}
    for seed in range(SEEDS):
        dense = trained(NETWORKS[name].model(seed), data, TRAINING, seed).eval()
        images = next(ImageBatches(data, BATCH, seed).at(0))[0]
        models = {"whole": dense}
        for tool, cut in contestants().items():
            models[tool] = trained(cut(dense, images), data, RETRAINING, 100 + seed)
        for tool, result in measured(models, data).items():
            found.setdefault(tool, []).append(result)
    means = {tool: average(results) for tool, results in found.items()}
    for tool, result in means.items():
        print(row(name, tool, result, means["whole"]))
    if "torch-pruning" in means:
        print(ratio(name, means["latticework"], means["torch-pruning"]))


def ratio(name: str, mine: Result, other: Result) -> str:
    """One line: a difference of accuracies, ratios of all else."""
    return (
        f"{name:19} ratio          {mine.accuracy - other.accuracy:+9.3f}"
        f"{mine.parameters / other.parameters:14.2f} x"
        f"{mine.multiplications / other.multiplications:17.2f} x"
        f"{mine.step_seconds / other.step_seconds:9.2f} x"
    )


def average(results: list[Result]) -> Result:
    """Means of all measures."""
    return Result(
        mean(r.accuracy for r in results),
        round(mean(r.parameters for r in results)),
        round(mean(r.multiplications for r in results)),
        mean(r.step_seconds for r in results),
    )


def row(name: str, tool: str, result: Result, whole: Result) -> str:
    """One line of the table."""
    parameters, multiplications = (
        f"{getattr(result, n):,} ({getattr(result, n) / getattr(whole, n):.0%})"
        for n in ("parameters", "multiplications")
    )
    return (
        f"{name:19} {tool:14} {result.accuracy:9.3f} {parameters:>15} {multiplications:>18}"
        f"{1e3 * result.step_seconds:8.2f} ms"
    )


def main() -> None:
    """The table, 155 s on one core."""
    torch.set_num_threads(1)
    print(calibrate())
    data, started = load_dataset("digits"), time.perf_counter()
    print(f"{'network':19} {'tool':14}  accuracy      parameters    multiplications    a step")
    for name in NAMES:
        report(name, data)
    print(f"{SEEDS} seeds, {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
