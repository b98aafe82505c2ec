"""What a run of `perp` will take, said before it starts: memory, and time at a measured rate."""

from __future__ import annotations

import time
from typing import Any

import torch

from gpu.backend import one_thread, resolve_device
from tasks.pruning.language.config import TINY, PerpConfig, label_of
from tasks.pruning.language.items import adapt_items, load_items, merge_items, prune_items
from tasks.pruning.language.making.subjects import given_folder, model_facts
from tasks.pruning.language.methods import parse_method
from tasks.pruning.language.models.estimates import Estimate, estimate
from tasks.pruning.language.models.tiny import tiny_config

__all__ = ["estimate_lines"]

_FACTOR, _ROUNDS, _PROBE = 4, 4, 2e10
"""Widening of the perceptron that is timed, how often, and its operations at most."""
_MOMENTS = 12
"""Bytes beside each trained value: gradient and two moments, in float32."""


def estimate_lines(config: PerpConfig) -> list[str]:
    """One line for each model, and one for the time of all calls."""
    lines, total = [], 0.0
    for name in config.model:
        architecture = tiny_config(name) if name in TINY else given_folder(name).config
        found = estimate_of(architecture, config)
        rate = measured_rate(config, architecture.hidden_size)
        seconds = _seconds(name, config, found, rate)
        total += seconds
        lines.append(
            f"{label_of(name)}: {memory_line(found)}; about {_duration(seconds)} of calls, at "
            f"{rate / 1e9:,.0f} GFLOP/s of a training step here"
        )
    device = resolve_device(config.device)
    each = "GPU" if device == "cuda" else "core"
    errors = "; layer errors come on top" if config.layer_errors else ""
    return [*lines, f"all calls: about {_duration(total)} on one {each}{errors}"]


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
        f"{_count(found.num_parameters)} parameters; at most {_bytes(found.walk_bytes)} to "
        f"prune and reconstruct, {_bytes(found.weight_bytes)} to measure and retrain few of them "
        f"and {_bytes(full)} all, activations of a step not counted"
    )


def measured_rate(config: PerpConfig, width: int) -> float:
    """Operations a second of a training step, on one thread of the CPU: of a small perceptron.

    Parameters
    ----------
    width : int
        Of the hidden states; as many tokens as a batch has, at most so many that it takes a moment.
    """
    device = resolve_device(config.device)
    each = 3 * 2 * 2 * _FACTOR * width**2
    tokens = max(min(config.batch_size * config.context, round(_PROBE / each)), 1)
    mixed = config.mixed_precision or device == "cuda"
    with one_thread():
        inner = torch.nn.Linear(width, _FACTOR * width, device=device)
        outer = torch.nn.Linear(_FACTOR * width, width, device=device)
        states = torch.ones(tokens, width, device=device)

        def step() -> float:
            began = time.perf_counter()
            with torch.autocast(device, torch.bfloat16, enabled=mixed):
                loss = outer(torch.nn.functional.silu(inner(states))).float().square().mean()
            loss.backward()
            float(loss.detach())
            return max(time.perf_counter() - began, 1e-9)

        best = min(step() for _ in range(_ROUNDS))
    return each * tokens / best


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


def _count(number: int) -> str:
    return f"{number / 1e6:,.1f} M" if number >= 1e6 else f"{number:,}"


def _bytes(count: float) -> str:
    if count < 2**20:
        return f"{count / 2**10:.0f} KiB"
    return f"{count / 2**30:.1f} GiB" if count >= 2**28 else f"{count / 2**20:.0f} MiB"
