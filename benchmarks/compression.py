"""Compression-aware training and what it leaves: `python -m benchmarks.compression`.

One thread; contestants take turns, so that a busy machine slows each, and the best turn counts.

1. One step of training, gradients and all, of ResNet-18 on 16 images of 32 x 32: Frank-Wolfe with
   the spectral k-support norm (vertices of a tenth of the singular values) beside SGD with the
   proximal step of the nuclear norm, with its penalty, and alone.
2. The forward pass of a network compressed to a quarter of its filters, and to a quarter of its
   ranks, beside that of the same network with masks and truncated weights.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks.calibration import calibrate
from benchmarks.turns import fastest
from tasks.frankwolfe.compression.config import CompressionConfig
from tasks.frankwolfe.compression.items import Trial
from tasks.frankwolfe.compression.methods import loss_of, new_optimizer
from tasks.nn.models import build_model
from tasks.nn.sparsity.compression import (
    Compressing,
    compress,
    plan_compression,
    size_of,
    smaller_model,
)

STEP_BAR, SPEED_BAR = 0.5, 1.0
SECONDS = 6.0
"""Least time of the turns of a group of contestants."""
NETWORK, SHAPE, BATCH, WIDE_BATCH, RATIO = "resnet18", (3, 32, 32), 16, 16, 0.25


def training_step(trial: Trial) -> Callable[[], Any]:
    """One step of a method on a fixed batch."""
    model = build_model(NETWORK, SHAPE, 10, seed=0)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(BATCH, *SHAPE, generator=generator)
    targets = torch.randint(10, (BATCH,), generator=generator)
    optimizer = new_optimizer(trial, model)
    for group in optimizer.param_groups:
        group["lr"] = 1e-3

    def plain(network: nn.Module, _: object) -> Any:
        return nn.functional.cross_entropy(network(inputs), targets)

    loss = loss_of(trial, plain, model)

    def step() -> None:
        optimizer.zero_grad()
        found = loss(model, None)
        (found[0] if isinstance(found, tuple) else found).backward()
        optimizer.step()

    return step


def report_steps() -> bool:
    """Milliseconds of a training step, and their ratios."""
    config = CompressionConfig(regions=("spectral_k_support",))
    found = fastest(
        {
            "spectral_k_support": training_step(
                Trial(config, "spectral_k_support", width=10.0, share=0.1)
            ),
            "nuclear_prox": training_step(Trial(config, "nuclear_prox", penalty=1e-4)),
            "nuclear_penalty": training_step(Trial(config, "nuclear_penalty", penalty=1e-4)),
            "sgd_decay": training_step(Trial(config, "sgd_decay")),
        },
        SECONDS,
    )
    print(f"\none training step of {NETWORK}, {BATCH} images, one thread")
    ratio = found["spectral_k_support"] / found["nuclear_prox"]
    for name, seconds in found.items():
        of_prox = f"{seconds / found['nuclear_prox']:5.2f} x nuclear_prox"
        print(f"  {name:20} {1e3 * seconds:8.1f} ms  {of_prox}")
    print(f"  spectral_k_support: {ratio:.2f} {verdict(ratio <= STEP_BAR, f'at most {STEP_BAR}')}")
    return ratio <= STEP_BAR


def report_modules() -> bool:
    """Milliseconds of forward passes, and their ratios."""
    is_met = True
    inputs = torch.randn(WIDE_BATCH, *SHAPE, generator=torch.Generator().manual_seed(1))
    for kind in ("filters", "low_rank", "both"):
        model = build_model(NETWORK, SHAPE, 10, seed=0).eval()
        whole = copy.deepcopy(model)
        plan = plan_compression(whole, Compressing(kind, RATIO), SHAPE)
        compress(whole, plan)
        smaller = smaller_model(whole, plan, SHAPE).eval()

        def forward(network: nn.Module) -> Callable[[], Any]:
            return lambda: network(inputs)

        with torch.inference_mode():
            found = fastest({"masked": forward(whole), "smaller": forward(smaller)}, SECONDS)
            difference = float((smaller(inputs) - whole(inputs)).abs().max())
        before, after = (size_of(model, each, SHAPE) for each in (type(plan)(), plan))
        ratio = found["smaller"] / found["masked"]
        is_met &= ratio < SPEED_BAR
        print(
            f"  {kind:9} to {RATIO:g}: {1e3 * found['masked']:7.1f} -> "
            f"{1e3 * found['smaller']:6.1f} ms, {ratio:.2f} of the time, "
            f"{after.multiplications / before.multiplications:.2f} of the multiplications, "
            f"{after.num_bytes / before.num_bytes:.2f} of the bytes, outputs differ by "
            f"{difference:.0e}  {verdict(ratio < SPEED_BAR, 'below 1')}"
        )
    return is_met


def verdict(is_met: bool, bar: str) -> str:
    """Whether a bar is met, in words."""
    return f"ok ({bar})" if is_met else f"NOT MET ({bar})"


def main() -> int:
    """Print all figures; 1 if a bar is not met."""
    torch.set_num_threads(1)
    print(calibrate())
    steps = report_steps()
    print(f"\nforward pass of {NETWORK}, {WIDE_BATCH} images, one thread")
    return 0 if report_modules() and steps else 1


if __name__ == "__main__":
    sys.exit(main())
