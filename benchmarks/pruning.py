"""Masks, stacked members, workers and smaller modules: what they cost and what they save.

Times of steps are the best of some turns, interleaved so that a busy machine slows both sides; on
the CPU they are CPU seconds, which others do not count into.  Members on workers are wall time.
"""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.turns import fastest
from tasks.nn import (
    Constant,
    Linear,
    TrainingState,
    classification_loss,
    save_tensors,
    sgd,
    train_steps,
)
from tasks.nn.data import ImageBatches
from tasks.nn.models import build_model, channels_last
from tasks.nn.sparsity import Masks, apply_masks, hold_masks, prunable_weights
from tasks.pruning import (
    CheckpointBytes,
    SoupConfig,
    SoupItem,
    checkpoint_path,
    link,
    shared_checkpoints,
    soup_items,
)
from tasks.pruning.branches import Rates, plan_branches, retrain
from tasks.pruning.criteria import Pruning, prune, without_pruned_filters
from tasks.pruning.run import soup_rows
from tasks.pruning.setups import Setup
from tasks.pruning.sparse_models import SparseModel
from tasks.pruning.stacked import retrain_stacked
from tasks.records import Place
from workers import Executor, ResourceProfile, WorkItem, connect, map_batches

STEPS = 4
SHAPE, CLASSES, BATCH = (3, 32, 32), 10, 64
MASKED_BAR, STACKED_BAR = 1.1, 3.0
MASKED_SECONDS = 10.0
LOADS = ((2, 1), (2, 2), (4, 1), (4, 2))
"""Members and workers."""
RATES = Rates("llr", Linear(0.05, 0.0, 100), 100)


def steps(model: nn.Module, masks: Masks | None) -> Callable[[], None]:
    """Some training steps on one random batch, with or without masks."""
    images = torch.randn(BATCH, *SHAPE)
    labels = torch.randint(CLASSES, (BATCH,))
    state = TrainingState(model, sgd(model, weight_decay=1e-4), Constant(0.01))
    if masks is not None:
        hold_masks(model, masks, state.optimizer)

    def run() -> None:
        batches = islice(iter(lambda: (images, labels), None), STEPS)
        until = state.step + STEPS
        train_steps(state, batches, classification_loss, until=until)

    return run


def masked(name: str) -> None:
    """Print the step time of a masked model over that of the dense one, and bytes of masks."""
    model = channels_last(build_model(name, SHAPE, CLASSES))  # pyrefly: ignore[bad-argument-type]
    masks = prune(model, 0.9, Pruning(allocation="uniform"))
    calls = {"dense": steps(copy.deepcopy(model), None), "masked": steps(model, masks)}
    found = fastest(calls, MASKED_SECONDS)
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
    model = channels_last(build_model(name, SHAPE, CLASSES))  # pyrefly: ignore[bad-argument-type]
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


def stacked(name: str, members: int, device: str) -> None:
    """Print the throughput of stacked members over separate ones on one device."""
    ratio = stacked_throughput(name, members, device)
    bar = "" if device == "cpu" else f" (goal {STACKED_BAR:g})"
    print(f"{members} members of {name} stacked on {device}: {ratio:.2f} x the throughput{bar}")


def stacked_throughput(
    name: str, members: int, device: str, *, batch: int = BATCH, num_steps: int = STEPS
) -> float:
    """Seconds of members that are trained one after the other over those of the stacked ones."""
    config = SoupConfig(dataset="synthetic", model=name, batch_size=batch, recalibration_images=100)  # pyrefly: ignore[bad-argument-type]
    setup = Setup.open(config, device)
    model = setup.new_model(0)
    pruned = SparseModel(model, prune(model, 0.5, Pruning()))
    apply_masks(model, pruned.masks)
    branches = plan_branches(
        "seed", members, seed=1, weight_decay=1e-4, num_steps=num_steps, spread=2.0
    )

    def separate() -> None:
        for branch in branches:
            retrain(setup, SparseModel(copy.deepcopy(model), pruned.masks), branch, RATES)

    def together() -> None:
        retrain_stacked(setup, SparseModel(copy.deepcopy(model), pruned.masks), branches, RATES)

    found = fastest({"separate": separate, "stacked": together})
    return found["separate"] / found["stacked"]


def many_workers() -> None:
    """Print the wall time of members on some workers, and the efficiency against one worker."""
    seconds: dict[tuple[int, int], float] = {}
    with connect("local", num_cpus=2) as executor:
        retraining_seconds(2, 2, executor)  # starts the workers, which import PyTorch
        for members, workers in LOADS:
            seconds[members, workers] = retraining_seconds(members, workers, executor)
    for (members, workers), spent in seconds.items():
        share = seconds[members, 1] / spent / workers
        print(f"{members} members on {workers} workers {spent:5.1f} s, efficiency {share:.2f}")


def retraining_seconds(members: int, workers: int, executor: Executor) -> float:
    """Wall time of one stage of retraining, as the flow runs it, on so many workers of two."""
    config = SoupConfig(
        dataset="digits", epochs=1, retrain_epochs=90, sparsity=0.9, phases=1, members=members,
        seeds=1, ood_images=0, baselines=(),
    )  # fmt: skip
    profile = ResourceProfile(cpus=2 / workers)
    rows: list[dict[str, Any]] = []
    spent: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for wave, items in soup_items(config).items():
            linked = [link(item, rows) for item in items]
            shares = shared_checkpoints(linked)
            shared = {each: checkpoint_bytes(folder, each) for [each] in shares.values()}
            work = [WorkItem(item.key, item, shares.get(item.key, ())) for item in linked]
            started = time.perf_counter()
            call = partial(_models, Place(folder))
            for outcome in map_batches(
                call, work, executor=executor, profile=profile, shared=shared
            ):
                rows += outcome.value
            spent[wave] = time.perf_counter() - started
    return spent["retrain 1"]


def _models(place: Place, item: SoupItem, *shared: CheckpointBytes) -> Any:
    """Rows of the models of an item."""
    return soup_rows(item, place, *shared)["models"]


def checkpoint_bytes(folder: str, checkpoint: str) -> CheckpointBytes:
    """A stored model."""
    path = Path(folder, checkpoint_path(checkpoint))
    return CheckpointBytes(checkpoint, np.fromfile(path, dtype=np.uint8))


def received(payload: CheckpointBytes | None, *shared: CheckpointBytes) -> int:
    """Touch what a call was given."""
    [given] = shared or (payload,)
    return 0 if given is None else int(given.content.sum())


def shipped(num_calls: int = 8, megabytes: int = 45) -> None:
    """Print what a network of 9 million weights with masks costs to hand to calls, both ways."""
    content = CheckpointBytes("network", np.zeros(megabytes * 10**6, dtype=np.uint8))
    seconds = {}
    with connect("local", num_cpus=2) as executor:
        for name in ("start", "shared", "payload"):
            is_shared = name == "shared"
            items = [
                WorkItem(str(n), None, ("network",)) if is_shared else WorkItem(str(n), content)
                for n in range(num_calls if name != "start" else 2)
            ]
            shared = {"network": content} if is_shared else {}
            started = time.perf_counter()
            for _ in map_batches(received, items, executor=executor, shared=shared):
                pass
            seconds[name] = (time.perf_counter() - started) / len(items)
    print(
        f"{megabytes} MB handed to each of {num_calls} calls: {1e3 * seconds['payload']:.0f} ms a "
        f"call with the payload, {1e3 * seconds['shared']:.0f} ms from the object store"
    )


def main() -> None:
    """All figures, about two minutes."""
    torch.set_num_threads(1)
    setup = Setup.open(SoupConfig(dataset="digits"))
    next(ImageBatches(setup.dataset, BATCH, seed=0).at(0))
    for name in ("lenet-300-100-bn", "small-cnn", "resnet20"):
        masked(name)
    for name in ("small-cnn", "vgg16-bn", "resnet18"):
        smaller(name)
    stacked("small-cnn", 4, "cpu")
    if torch.cuda.is_available():
        stacked("resnet20", 8, "cuda")
    many_workers()
    shipped()


if __name__ == "__main__":
    main()
