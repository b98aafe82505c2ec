"""Slow, obvious NumPy twins of the kernels on vectors and matrices of weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def largest_entries(values: NDArray[np.floating], count: int) -> NDArray[np.bool_]:
    """Mask (n,) of the k largest magnitudes, the first of equal ones (see `gpu.largest`)."""
    order = np.argsort(-np.abs(values), kind="stable")
    mask = np.zeros(len(values), np.bool_)
    mask[order[:count]] = True
    return mask


def polar_factor(matrix: NDArray[np.floating]) -> NDArray[np.floating]:
    """U V' of U diag(s) V' (see `gpu.polar`)."""
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    return left @ right


def low_rank(matrix: NDArray[np.floating], rank: int) -> NDArray[np.floating]:
    """The nearest matrix of a rank (see `gpu.power`)."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    return (left[:, :rank] * values[:rank]) @ right[:rank]


def least_error_after_swap(
    weights: NDArray[np.floating],
    kept: NDArray[np.bool_],
    gram: NDArray[np.floating],
    group: int = 0,
) -> float:
    """Least error of a row (d,), as it is or after one swap within a group (see `gpu.swaps`)."""
    size = group or len(weights)
    masks = [kept]
    for i in np.flatnonzero(kept):
        for j in np.flatnonzero(~kept):
            if i // size == j // size:
                other = kept.copy()
                other[i], other[j] = False, True
                masks.append(other)
    left = [weights * ~mask for mask in masks]
    return min(float(each @ gram @ each) for each in left)


def swapped_row(
    weights: NDArray[np.floating],
    kept: NDArray[np.bool_],
    gram: NDArray[np.floating],
    group: int = 0,
    *,
    tolerance: float = 1e-12,
) -> NDArray[np.bool_]:
    """Mask of a row (d,) after its best swaps, all pairs computed again for each of them."""
    mask = kept.copy()
    groups = np.arange(len(weights)) // (group or len(weights))
    while True:
        pruned = weights * ~mask
        product = pruned @ gram
        going, coming = np.flatnonzero(mask), np.flatnonzero(~mask)
        if not len(going) or not len(coming):
            return mask
        single = weights**2 * gram.diagonal()
        a, b = single + 2 * weights * product, single - 2 * weights * product
        table = a[going, None] + b[coming]
        table -= 2 * weights[going, None] * weights[coming] * gram[np.ix_(going, coming)]
        table[groups[going, None] != groups[coming]] = np.inf
        best = np.unravel_index(table.argmin(), table.shape)
        if table[best] >= -tolerance * (pruned @ product):
            return mask
        mask[going[best[0]]], mask[coming[best[1]]] = False, True
