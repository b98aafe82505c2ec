"""Frank-Wolfe steps on one GPU: `python -m benchmarks.gpu_frank_wolfe`.

The weights of a GPT of 124 M parameters (12 blocks, width 768, 50,257 tokens).  Needs neither Ray
nor Prefect nor pydantic, so that it runs on a bare GPU node; `--device cpu --small` tries it on a
CPU, where no bar counts.  No figure has been taken yet.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from benchmarks.one_gpu import measured, options
from benchmarks.turns import fastest
from gpu.polar import polar_factor
from tasks.nn.optimizers import FrankWolfe

VECTORS = ("l2", "linf", "k_sparse", "k_support")
SHARE = 0.1
VECTOR_BAR, MUON_BAR, BATCH_BAR = 1.5, 1.0, 5.0
"""Times of SGD, of Muon; how many times as fast a stack of matrices is as a loop over them."""
SECONDS = 3.0


def shapes(width: int, blocks: int, tokens: int) -> Iterator[tuple[int, ...]]:
    """Matrices of the blocks, then embeddings and norms."""
    for _ in range(blocks):
        yield from ((width, width),) * 4
        yield from ((4 * width, width), (width, 4 * width))
    yield from ((tokens, width), (1024, width))
    yield from ((width,) for _ in range(2 * blocks + 1))


def weights(sizes: list[tuple[int, ...]], device: str) -> list[nn.Parameter]:
    """Random weights with random gradients."""
    torch.manual_seed(0)
    found = [nn.Parameter(torch.randn(size, device=device) / 20) for size in sizes]
    for weight in found:
        weight.grad = torch.randn_like(weight)
    return found


def grouped(sizes: list[tuple[int, ...]], device: str, region: str, blocks: int) -> list[Any]:
    """Matrices of the blocks with the region, all others without."""
    all_, count = weights(sizes, device), 6 * blocks
    counted = {"k": SHARE} if "k_" in region else {}
    own = {"params": all_[:count], "region": region, **counted}
    return [own, {"params": all_[count:], "region": None, "others": "sgd"}]


def report_steps(sizes: list[tuple[int, ...]], device: str, blocks: int) -> bool:
    """Milliseconds of whole steps."""
    contestants: dict[str, Callable[[], Any]] = {
        "SGD": torch.optim.SGD(weights(sizes, device), lr=0.01, momentum=0.9, foreach=True).step,
        "Muon": torch.optim.Muon(weights(sizes, device)[: 6 * blocks]).step,
    }
    for region in (*VECTORS, "spectral", "nuclear", "spectral_k_support"):
        contestants[region] = FrankWolfe(grouped(sizes, device, region, blocks)).step
        if region in VECTORS and device == "cuda":
            compiled = FrankWolfe(grouped(sizes, device, region, blocks), compiled=True)
            contestants[f"{region}, compiled"] = compiled.step
    found = fastest(contestants, SECONDS)
    is_met = True
    for name, seconds in found.items():
        said = f"{1e3 * seconds:9.2f} ms  {seconds / found['SGD']:6.2f} x SGD"
        if name == "spectral":
            is_met &= seconds <= MUON_BAR * found["Muon"]
            said += f"  {seconds / found['Muon']:.2f} x Muon (at most {MUON_BAR:g})"
        print(f"  {name:22} {said}")
    for region in VECTORS:
        best = min(s for name, s in found.items() if name.startswith(region))
        is_met &= best <= VECTOR_BAR * found["SGD"]
    print(f"  (vector regions at most {VECTOR_BAR:g} x SGD)")
    return is_met


def report_stacks(width: int, count: int, device: str) -> bool:
    """Polar factors of equal matrices at once, and one after the other."""
    matrices = torch.randn(count, width, width, device=device)
    calls = {
        "stack": lambda: polar_factor(matrices),
        "loop": lambda: [polar_factor(matrix) for matrix in matrices],
    }
    found = fastest(calls, SECONDS)
    ratio = found["loop"] / found["stack"]
    print(f"  {count} polar factors at once: {ratio:.1f} x as fast (at least {BATCH_BAR:g})")
    return ratio >= BATCH_BAR


def report_copies(sizes: list[tuple[int, ...]], device: str, blocks: int) -> bool:
    """Copies from the device to the host within a step."""
    is_met = True
    for region in (*VECTORS, "spectral", "nuclear"):
        optimizer = FrankWolfe(grouped(sizes, device, region, blocks))
        optimizer.step()
        activities = [ProfilerActivity.CPU]
        activities += [ProfilerActivity.CUDA] if device == "cuda" else []
        with profile(activities=activities) as seen:
            optimizer.step()
        copies = sum("DtoH" in event.key for event in seen.key_averages())
        is_met &= copies == 0
        print(f"  {region:22} {copies} kinds of copies to the host (none)")
    return is_met


def main() -> int:
    """Exit 1 if a bar is missed on a GPU."""
    given = options(__doc__, "two small blocks").parse_args()
    return measured(given.device, lambda: bars_met(given.device, small=given.small))


def bars_met(device: str, *, small: bool) -> Iterator[bool]:
    """Whether each bar is met."""
    width, blocks, tokens = (64, 2, 500) if small else (768, 12, 50_257)
    sizes = list(shapes(width, blocks, tokens))
    print(f"one step of {sum(torch.Size(size).numel() for size in sizes) / 1e6:.1f} M parameters")
    yield report_steps(sizes, device, blocks)
    yield report_stacks(width, 4 * blocks, device)
    yield report_copies(sizes, device, blocks)


if __name__ == "__main__":
    sys.exit(main())
