"""Masks, stacked members, workers and smaller modules: what they cost and what they save.

Times of steps are the best of some turns, interleaved so that a busy machine slows both sides.
"""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tasks.nn import (
    Constant,
    Linear,
    TrainingState,
    classification_loss,
    save_tensors,
    sgd,
    train_steps,
)
from tasks.nn.data import training_batches
from tasks.nn.models import build_model
from tasks.nn.sparsity import Masks, apply_masks, hold_masks, prunable_weights
from tasks.pruning import SoupConfig, link, plan_soup, run_pruning_item
from tasks.pruning.branches import Rates, plan_branches, retrain
from tasks.pruning.criteria import Pruning, prune, without_pruned_filters
from tasks.pruning.sparse_models import SparseModel
from tasks.pruning.stacked import retrain_stacked
from tasks.pruning.workbench import Workbench
from workers import ResourceProfile, WorkItem, connect, map_batches

TURNS, STEPS = 4, 4
SHAPE, CLASSES, BATCH = (3, 32, 32), 10, 64
MASKED_BAR, STACKED_BAR = 1.1, 3.0
RATES = Rates("llr", Linear(0.05, 0.0, 100), 100)


def fastest(calls: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Seconds of the fastest of some turns of each call, taken in turns."""
    for call in calls.values():
        call()
    found = dict.fromkeys(calls, float("inf"))
    for _ in range(TURNS):
        for name, call in calls.items():
            started = clock()
            call()
            found[name] = min(found[name], clock() - started)
    return found


def clock() -> float:
    """CPU seconds, which others on the machine do not count into; with a GPU seconds."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def steps(model: nn.Module, masks: Masks | None) -> Callable[[], None]:
    """Some training steps on one random batch, with or without masks."""
    images = torch.randn(BATCH, *SHAPE)
    labels = torch.randint(CLASSES, (BATCH,))
    state = TrainingState(model, sgd(model, weight_decay=1e-4))
    if masks is not None:
        hold_masks(model, masks, state.optimizer)

    def run() -> None:
        batches = islice(iter(lambda: (images, labels), None), STEPS)
        until = state.step + STEPS
        train_steps(state, batches, classification_loss, schedule=Constant(0.01), until=until)

    return run


def masked(name: str) -> None:
    """Print the step time of a masked model over that of the dense one, and bytes of masks."""
    model = build_model(name, SHAPE, CLASSES)  # pyrefly: ignore[bad-argument-type]
    masks = prune(model, 0.9, Pruning(allocation="uniform"))
    found = fastest({"dense": steps(copy.deepcopy(model), None), "masked": steps(model, masks)})
    ratio = found["masked"] / found["dense"]
    size = sum(w.numel() for w in prunable_weights(model).values())
    with tempfile.TemporaryDirectory() as folder:
        save_tensors(f"{folder}/masks.safetensors", masks)
        stored = Path(folder, "masks.safetensors").stat().st_size
    verdict = "ok" if ratio <= MASKED_BAR else f"above {MASKED_BAR}"
    print(
        f"masked step, {name:18} {1e3 * found['masked'] / STEPS:7.1f} ms, {ratio:.2f} x dense "
        f"({verdict}); {sum(m.nbytes for m in masks.values()) / size:.2f} bytes per weight in "
        f"memory, {stored / size:.2f} in a file"
    )


def smaller(name: str) -> None:
    """Print what cutting out half of the filters saves in a forward pass."""
    model = build_model(name, SHAPE, CLASSES)  # pyrefly: ignore[bad-argument-type]
    masks = prune(model, 0.5, Pruning(filters=True), shape=SHAPE)
    apply_masks(model, masks)
    cut = without_pruned_filters(model, masks, SHAPE)
    images = torch.randn(BATCH, *SHAPE)

    def forward(network: nn.Module) -> Callable[[], None]:
        network.eval()

        def run() -> None:
            with torch.inference_mode():
                network(images)

        return run

    found = fastest({"whole": forward(model), "smaller": forward(cut)})
    print(
        f"half of the filters, {name:12} {1e3 * found['whole']:7.1f} -> "
        f"{1e3 * found['smaller']:7.1f} ms, {found['whole'] / found['smaller']:.2f} x as fast"
    )


def stacked(name: str, count: int, device: str) -> None:
    """Print the throughput of stacked members over separate ones on one device."""
    config = SoupConfig(dataset="synthetic", model=name, batch=BATCH, recalibration_images=100)  # pyrefly: ignore[bad-argument-type]
    bench = Workbench.open(config, device)
    model = bench.new_model(0)
    pruned = SparseModel(model, prune(model, 0.5, Pruning()))
    apply_masks(model, pruned.masks)
    branches = plan_branches("seed", count, seed=1, weight_decay=1e-4, num_steps=STEPS, spread=2.0)

    def separate() -> None:
        for branch in branches:
            retrain(bench, SparseModel(copy.deepcopy(model), pruned.masks), branch, RATES)

    def together() -> None:
        retrain_stacked(bench, SparseModel(copy.deepcopy(model), pruned.masks), branches, RATES)

    found = fastest({"separate": separate, "stacked": together})
    ratio = found["separate"] / found["stacked"]
    bar = "" if device == "cpu" else f" (goal {STACKED_BAR:g})"
    print(f"{count} members of {name} stacked on {device}: {ratio:.2f} x the throughput{bar}")


def many_workers(count: int = 4) -> None:
    """Print the wall time of some members on one worker and on two."""
    config = SoupConfig(
        dataset="digits", epochs=1, retrain_epochs=15, sparsity=0.9, phases=1, members=count,
        seeds=1, ood_images=0, baselines=(),
    )  # fmt: skip
    seconds = {}
    with connect("local", num_cpus=2) as executor, tempfile.TemporaryDirectory() as folder:
        for workers, share in ((2, 1.0), (1, 2.0), (2, 1.0)):
            profile, rows = ResourceProfile(cpus=share), []
            for stage, items in plan_soup(config).stages.items():
                place = f"{folder}/{workers}"
                work = [WorkItem(i.key, replace(link(i, rows), folder=place)) for i in items]
                started = time.perf_counter()
                for outcome in map_batches(
                    run_pruning_item, work, executor=executor, profile=profile
                ):
                    rows += outcome.value["models"].to_pylist()
                if stage == "retrain 1":
                    # The last turn counts: the first has to start its workers.
                    seconds[workers] = time.perf_counter() - started
    print(
        f"{count} members on 1 worker {seconds[1]:.1f} s, on 2 workers {seconds[2]:.1f} s: "
        f"{seconds[1] / seconds[2]:.2f} x as fast"
    )


def main() -> None:
    """All figures, about two minutes."""
    torch.set_num_threads(1)
    bench = Workbench.open(SoupConfig(dataset="digits"))
    next(training_batches(bench.dataset, BATCH, seed=0))
    for name in ("lenet-300-100-bn", "small-cnn", "resnet20"):
        masked(name)
    for name in ("small-cnn", "vgg16-bn", "resnet18"):
        smaller(name)
    stacked("small-cnn", 4, "cpu")
    if torch.cuda.is_available():
        stacked("resnet20", 8, "cuda")
    many_workers()


if __name__ == "__main__":
    main()
