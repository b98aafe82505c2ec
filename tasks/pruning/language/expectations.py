"""What a run of `perp` will take, said before it starts: memory, and time at a measured rate."""

from __future__ import annotations

import time
from typing import Any

import torch

from gpu.backend import one_thread, resolve_device
from tasks.pruning.language.adapters.methods import parse_method
from tasks.pruning.language.config import TINY, PerpConfig, label_of
from tasks.pruning.language.items import adapt_items, load_items, merge_items, prune_items
from tasks.pruning.language.models.estimates import Estimate, estimate
from tasks.pruning.language.models.tiny import tiny_config
from tasks.pruning.language.subjects import given_folder, model_facts

__all__ = ["estimate_lines"]

_SIZE, _ROUNDS = 1024, 4
"""Of the products that are timed."""
_MOMENTS = 12
"""Bytes beside each trained value: gradient and two moments, in float32."""


def estimate_lines(config: PerpConfig) -> list[str]:
    """One line for each model, and one for the time of all calls."""
    rate = measured_rate(config)
    lines, seconds = [], 0.0
    for name in config.model:
        architecture = tiny_config(name) if name in TINY else given_folder(name).config
        found = estimate_of(architecture, config)
        own = _seconds(name, config, found, rate)
        lines.append(f"{label_of(name)}: {memory_line(found)}; about {_duration(own)} of calls")
        seconds += own
    each = "GPU" if resolve_device(config.device) == "cuda" else "core"
    return [
        *lines,
        f"all calls: about {_duration(seconds)} on one {each}, at {rate / 1e9:,.0f} GFLOP/s of "
        "large products; layer errors come on top",
    ]


def estimate_of(architecture: Any, config: PerpConfig) -> Estimate:
    """Sizes and work of a model with the settings of a run."""
    size = 4 if resolve_device(config.device) == "cpu" else 2
    return estimate(
        architecture,
        windows=config.calibration,
        length=config.context,
        batch_size=config.batch_size,
        weight_size=size,
    )


def memory_line(found: Estimate) -> str:
    """Memory of the parts of a run, beside the imported libraries."""
    full = found.weight_bytes + _MOMENTS * found.num_parameters
    return (
        f"{found.num_parameters / 1e6:,.1f} M parameters; at most {_bytes(found.walk_bytes)} to "
        f"prune and reconstruct, {_bytes(found.weight_bytes)} to measure and retrain few of them "
        f"and {_bytes(full)} all, activations of a step not counted"
    )


def measured_rate(config: PerpConfig) -> float:
    """Operations a second of large products, on one thread of the CPU."""
    device = resolve_device(config.device)
    dtype = torch.bfloat16 if config.mixed_precision or device == "cuda" else torch.float32
    with one_thread():
        some = torch.ones(_SIZE, _SIZE, dtype=dtype, device=device)
        best = min(_seconds_of_product(some) for _ in range(_ROUNDS))
    return 2.0 * _SIZE**3 / best


def _seconds_of_product(some: torch.Tensor) -> float:
    began = time.perf_counter()
    float((some @ some)[0, 0])
    return max(time.perf_counter() - began, 1e-9)


def _seconds(name: str, config: PerpConfig, found: Estimate, rate: float) -> float:
    """Of all calls of a model."""
    lacking = {label_of(name): model_facts(name).lacking}
    own = config.model_copy(update={"model": (name,)})
    items = [*load_items(own), *prune_items(own), *adapt_items(own, lacking)]
    items += merge_items(own, lacking)
    passes = found.forward_flops
    work = 0.0
    for item in items:
        sequences = config.evaluation_sequences or config.calibration
        work += 2 * passes * sequences / config.calibration
        if item.step == "load" and name in TINY:
            work += config.pretrain_steps * found.step_flops
        elif item.step == "prune":
            work += 2 * passes
        elif item.step == "adapt":
            by_text = item.method == "adapter" or parse_method(item.method).retrains
            steps = config.steps * found.step_flops
            work += steps if by_text else (3 * config.reconstruction_epochs + 4) * passes
    return work / rate


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _bytes(count: float) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**28 else f"{count / 2**20:.0f} MiB"
