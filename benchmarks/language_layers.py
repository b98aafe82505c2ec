"""What the mathematics of one layer costs, beside the plain way; CPU seconds of one core.

Weights are random, inputs are correlated: eight tokens for every input, mixtures of components
whose sizes fall like k^-0.7, with a little noise, of inputs of several sizes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
import torch
from torch import Tensor

from benchmarks.turns import fastest
from gpu.matrix_reference import swapped_row
from tasks.nn import seeded_generator
from tasks.pruning.language.layers.gram import Gram, gram_of, row_errors
from tasks.pruning.language.layers.least_squares import Solution, best_weights
from tasks.pruning.language.layers.patterns import Pattern
from tasks.pruning.language.layers.saliencies import saliency
from tasks.pruning.language.layers.swaps import swapped_mask

LSTSQ_BAR, SWAPS_BAR, MINUTES_BAR = 10.0, 20.0, 20.0
RESIDUAL_BAR = 1e-6
BLOCKS = 30
SMOLLM2 = {(576, 576): 2, (192, 576): 2, (1536, 576): 2, (576, 1536): 1}
"""Rows and inputs of the matrices of a block, and how many there are; in 30 blocks 210 of them."""
TOKENS = 512
"""Of the products: a batch of a short text."""


@dataclass(frozen=True, eq=False)
class Example:
    """A layer with a mask of half of its weights."""

    weight: Tensor
    inputs: Tensor
    gram: Gram
    mask: Tensor

    @classmethod
    def drawn(cls, rows: int, width: int, seed: int = 0, criterion: str = "wanda") -> Example:
        """From a seed."""
        generator = seeded_generator(seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator)

        sizes = torch.arange(1, width + 1) ** -0.7
        inputs = (normal(8 * width, width) * sizes) @ normal(width, width) / width**0.5
        inputs = (inputs + 0.02 * normal(*inputs.shape)) * torch.exp(normal(width) / 2)
        weight, gram = 0.05 * normal(rows, width), gram_of(inputs)
        mask = Pattern(0.5).largest(saliency(criterion, weight, gram))
        return cls(weight, inputs, gram, mask)

    def solved(self) -> Solution:
        """The best weights for the mask."""
        return best_weights(self.weight, self.mask, self.gram)

    def by_lstsq(self, rows: int) -> Tensor:
        """The same of the first rows, by SciPy from the inputs."""
        x, found = self.inputs.double().numpy(), torch.zeros(rows, self.mask.shape[1]).double()
        for row, w in enumerate(self.weight[:rows].double().numpy()):
            kept = self.mask[row].numpy()
            solution = scipy.linalg.lstsq(x[:, kept], x @ w)[0]
            found[row, self.mask[row]] = torch.from_numpy(solution)
        return found

    def by_normal_equations(self, rows: int) -> None:
        """The same by SciPy from the Gram matrix."""
        gram = self.gram.matrix.numpy()
        for row, w in enumerate(self.weight[:rows].double().numpy()):
            kept = self.mask[row].numpy()
            scipy.linalg.solve(gram[np.ix_(kept, kept)], (w @ gram)[kept], assume_a="pos")

    def swapped(self, rows: int) -> tuple[Tensor, int]:
        """Masks of the first rows after the best swaps, and their number."""
        return swapped_mask(self.weight[:rows], self.mask[:rows], self.gram)

    def swapped_plainly(self, rows: int) -> Tensor:
        """The same with all pairs computed again for each swap."""
        weights, gram = self.weight.double().numpy(), self.gram.matrix.numpy()
        found = [swapped_row(weights[r], self.mask[r].numpy(), gram) for r in range(rows)]
        return torch.from_numpy(np.array(found))

    def error(self, found: Tensor) -> float:
        """Of weights for the first rows."""
        return float(row_errors(self.weight[: len(found)], found, self.gram).sum())


def verdict(is_met: bool, bar: str) -> str:
    """In words."""
    return f"bar {bar}: {'met' if is_met else 'MISSED'}"


def taken(call: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds and the result."""
    started = time.process_time()
    result = call()
    return time.process_time() - started, result


def least_squares(full: bool = False) -> bool:
    """Best weights for a mask, beside SciPy row by row."""
    is_met = True
    Example.drawn(1, 4).solved()
    for shape, rows in (((576, 576), 8), ((576, 1536), 8 if full else 2)):
        example = Example.drawn(*shape)
        seconds, solution = taken(example.solved)
        theirs, found = taken(partial(example.by_lstsq, rows))
        normal, _ = taken(partial(example.by_normal_equations, rows))
        mine, theirs, normal = seconds / shape[0], theirs / rows, normal / rows
        gap = example.error(solution.weight[:rows]) / example.error(found) - 1
        is_fast = theirs / mine >= LSTSQ_BAR
        is_met &= is_fast and solution.residual <= RESIDUAL_BAR
        print(
            f"least squares {shape[0]} x {shape[1]}: {1e3 * mine:.2f} ms a row, SciPy lstsq "
            f"{1e3 * theirs:.0f} ms, {theirs / mine:.0f} x ({verdict(is_fast, '10 x')}); its "
            f"normal equations {1e3 * normal:.1f} ms, {normal / mine:.1f} x; residual "
            f"{solution.residual:.0e}, error {gap:+.0e} of theirs"
        )
    return is_met


def all_matrices(full: bool = False) -> bool:
    """Least squares for the 210 matrices of SmolLM2: all of them, or one of each shape."""
    total, largest = 0.0, 0.0
    for shape, number in SMOLLM2.items():
        times = []
        for seed in range(number * BLOCKS if full else 1):
            example = Example.drawn(*shape, seed=seed)
            seconds, solution = taken(example.solved)
            times.append(seconds)
            largest = max(largest, solution.residual)
        total += number * BLOCKS * float(np.mean(times))
        print(f"  {shape[0]:4} x {shape[1]:4}: {np.mean(times):.2f} s, {number * BLOCKS} of them")
    is_met = total / 60 <= MINUTES_BAR and largest <= RESIDUAL_BAR
    how = "measured" if full else "one of each shape measured, the others added up"
    print(
        f"least squares of SmolLM2's 210 matrices, {how}: {total / 60:.1f} CPU minutes, largest "
        f"residual {largest:.0e} ({verdict(is_met, '20 minutes')})"
    )
    return is_met


def swaps(full: bool = False) -> bool:
    """A pass of best swaps, beside computing all pairs again for each."""
    is_met = True
    Example.drawn(1, 4).swapped(1)
    for shape, rows in (((576, 576), 8), ((576, 1536), 8 if full else 2)):
        example, count = Example.drawn(*shape), shape[0] if full else 96
        seconds, (mask, number) = taken(partial(example.swapped, count))
        theirs, found = taken(partial(example.swapped_plainly, rows))
        mine, theirs = seconds / count, theirs / rows
        is_same, is_fast = torch.equal(found, mask[:rows]), theirs / mine >= SWAPS_BAR
        is_met &= is_fast and is_same
        print(
            f"swaps {shape[0]} x {shape[1]}: {1e3 * mine:.1f} ms a row, "
            f"{1e6 * seconds / number:.0f} us a swap; all pairs again {1e3 * theirs:.0f} ms a row, "
            f"{theirs / mine:.0f} x ({verdict(is_fast, '20 x')}), "
            f"{'the same masks' if is_same else 'OTHER MASKS'}"
        )
    return is_met


def sparse_products(full: bool = False) -> bool:
    """Products of a sparse weight with a batch, beside the dense one, without a bar."""
    del full
    generator = seeded_generator(0)
    weight = torch.randn(1536, 576, generator=generator)
    columns = torch.randn(576, TOKENS, generator=generator)
    print(f"products of 1536 x 576 with {TOKENS} tokens, dense / sparse:")
    for sparsity in (0.5, 0.75, 0.9, 0.95):
        pruned = weight * Pattern(sparsity).largest(weight.abs())
        by_torch = pruned.to_sparse_csr()
        by_scipy, dense = scipy.sparse.csr_array(pruned.numpy()), columns.numpy()
        found = fastest(
            {
                "dense": lambda w=pruned: w @ columns,
                "torch": lambda w=by_torch: w @ columns,
                "scipy": lambda w=by_scipy, x=dense: w @ x,
            }
        )
        gains = (f"{n} {gain(found['dense'] / found[n])}" for n in ("torch", "scipy"))
        print(f"  {sparsity:.0%}: {1e3 * found['dense']:.2f} ms dense; {', '.join(gains)}")
    return True


def gain(ratio: float) -> str:
    """In words."""
    return f"{ratio:.2f} x" if ratio > 1 else f"no gain ({ratio:.2f} x)"
