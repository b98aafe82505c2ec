"""How many weights each layer keeps, so that exactly round((1 - S) N) of N are kept in all.

    uniform    density 1 - S in every layer
    uniform+   the first convolution dense, the last linear layer at most 80 % sparse, one density
               for the rest
    erk        density proportional to (sum of the dimensions) / (product of the dimensions) of the
               weight, at most 1; what dense layers save goes to the others

(The *global* allocation has no counts per layer: `tasks.nn.sparsity.global_masks`.)  Densities
times sizes are rounded down, and the largest remainders get the missing weights, so the total is
exact.  A layer keeps at least one weight.  Rounded counts are not monotone in S: where layers were
pruned before, a layer keeps at most what is left of it, and others with room get the difference.

References
----------
Gale, Elsen, Hooker, The state of sparsity, arXiv:1902.09574 (uniform+).
Evci et al., Rigging the lottery, arXiv:1911.11134, section 3 (ERK).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

from torch import Tensor

from tasks.records import InputError

Allocation = Literal["global", "uniform", "uniform+", "erk"]
ALLOCATIONS: tuple[Allocation, ...] = get_args(Allocation)
_MIN_LAST_DENSITY = 0.2


def total_kept(num_weights: int, sparsity: float) -> int:
    """round((1 - S) N), at least 1.

    Raises
    ------
    InputError
        Unless S lies in [0, 1).
    """
    if not 0 <= sparsity < 1:
        raise InputError(f"sparsity {sparsity} is not in [0, 1)")
    return max(round((1 - sparsity) * num_weights), 1)


def layer_counts(
    weights: Mapping[str, Tensor],
    sparsity: float,
    allocation: Allocation,
    *,
    left: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Number of weights that each layer keeps.

    Parameters
    ----------
    weights : mapping of Tensor
        Prunable weights in the order of the model.
    sparsity : float
        S in [0, 1).
    allocation : Allocation
        Any but ``global``.
    left : mapping of int, optional
        Number of weights that earlier prunings left in each layer; all by default.

    Raises
    ------
    InputError
        For an unknown allocation, a sparsity out of range, one that the dense layers of uniform+
        exclude, or one that needs more weights than are left.
    """
    if allocation not in _SHARES:
        raise InputError(f"no counts per layer for {allocation!r}; known are {', '.join(_SHARES)}")
    sizes = [w.numel() for w in weights.values()]
    target = total_kept(sum(sizes), sparsity)
    if target < len(sizes):
        raise InputError(
            f"sparsity {sparsity} keeps {target} weights in {len(sizes)} layers: a layer would be "
            "empty; take a lower sparsity"
        )
    caps = sizes if left is None else [left[name] for name in weights]
    if target > sum(caps) or min(caps) < 1:
        raise InputError(f"{target} weights cannot be kept: fewer are left from earlier pruning")
    amounts = _SHARES[allocation](list(weights.values()), target)
    return dict(zip(weights, _rounded(amounts, caps, target), strict=True))


def _uniform(weights: Sequence[Tensor], target: int) -> list[float]:
    total = sum(w.numel() for w in weights)
    return [target / total * w.numel() for w in weights]


def _uniform_plus(weights: Sequence[Tensor], target: int) -> list[float]:
    sizes = [w.numel() for w in weights]
    first = next((i for i, w in enumerate(weights) if w.ndim > 2), None)
    last = next((i for i in reversed(range(len(weights))) if weights[i].ndim == 2), None)
    amounts = _uniform(weights, target)
    fixed: dict[int, float] = {}
    if first is not None:
        fixed[first] = float(sizes[first])
    if last is not None:
        fixed[last] = max(_MIN_LAST_DENSITY * sizes[last], amounts[last])
    rest = target - sum(fixed.values())
    free = sum(size for i, size in enumerate(sizes) if i not in fixed)
    if rest < 0 or (free == 0 and rest > 0.5):
        raise InputError(
            f"uniform+ keeps {sum(fixed.values()):.0f} weights in the first and last layer, "
            f"{target} are wanted in all; take a lower sparsity or another allocation"
        )
    return [fixed.get(i, rest * size / free if free else 0.0) for i, size in enumerate(sizes)]


def _erdos_renyi_kernel(weights: Sequence[Tensor], target: int) -> list[float]:
    """Water filling: layers whose density would exceed 1 become dense, until none does."""
    sizes = [w.numel() for w in weights]
    raw = [float(sum(w.shape)) for w in weights]  # density factor times size
    dense: set[int] = set()
    while True:
        rest = target - sum(sizes[i] for i in dense)
        scale = rest / sum(r for i, r in enumerate(raw) if i not in dense)
        amounts = [float(s) if i in dense else scale * raw[i] for i, s in enumerate(sizes)]
        over = {i for i, size in enumerate(sizes) if i not in dense and amounts[i] > size}
        if not over:
            return amounts
        dense |= over
        if len(dense) == len(sizes):
            return [float(size) for size in sizes]


def _rounded(amounts: Sequence[float], caps: Sequence[int], target: int) -> list[int]:
    """Integers in 1..cap near the amounts with the exact sum."""
    counts = [min(max(math.floor(a), 1), cap) for a, cap in zip(amounts, caps, strict=True)]
    order = sorted(range(len(caps)), key=lambda i: (counts[i] - amounts[i], i))
    while (missing := target - sum(counts)) != 0:
        step = 1 if missing > 0 else -1
        ranked = order if step > 0 else order[::-1]
        movable = [i for i in ranked if 1 <= counts[i] + step <= caps[i]]
        for i in movable[: abs(missing)]:
            counts[i] += step
    return counts


_SHARES: dict[str, Callable[[Sequence[Tensor], int], list[float]]] = {
    "uniform": _uniform,
    "uniform+": _uniform_plus,
    "erk": _erdos_renyi_kernel,
}
