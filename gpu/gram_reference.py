"""The method of `gpu.gram_batches` for one problem, plainly and in double precision throughout.

The oracle of the batched kernel, and of use where PyTorch is not installed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def project(
    gram: NDArray[np.float64], rows: NDArray[np.integer], coefficients: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Correct every entry of a class alike, so that its entries add up to its coefficient.

    Parameters
    ----------
    gram : float64 (m, m)
    rows : integers (m, m)
        Class of every entry; -1 holds an entry at 0.
    coefficients : float64 (S,)
    """
    projected = np.zeros_like(gram)
    for index, coefficient in enumerate(coefficients):
        is_own = rows == index
        if is_own.any():
            own = gram[is_own]
            projected[is_own] = own + (coefficient - own.sum()) / len(own)
    return projected


def is_certified(
    gram: NDArray[np.float64], rows: NDArray[np.integer], coefficients: NDArray[np.float64]
) -> bool:
    """Prove that the equations have a positive definite solution near a matrix."""
    size, missing = len(gram), 0.0
    for index, coefficient in enumerate(coefficients):
        own = gram[rows == index]
        missing = max(missing, abs(coefficient - own.sum()) / max(len(own), 1))
    shift = size * (missing + 4 * (size + 3) * 2.0**-53 * np.abs(gram).max(initial=0.0))
    try:
        np.linalg.cholesky(gram - shift * np.eye(size))
    except np.linalg.LinAlgError:
        return False
    return True


def _closest(
    gram: NDArray[np.float64], cuts: list[tuple[NDArray[np.float64], float]]
) -> NDArray[np.float64]:
    """Closest point of the last two half-spaces (normal, offset); the last one does not hold."""
    normal, offset = cuts[-1]
    single = gram + (offset - np.vdot(normal, gram)) / np.vdot(normal, normal) * normal
    if len(cuts) == 1 or np.vdot(cuts[-2][0], single) >= cuts[-2][1]:
        return single
    normals = np.array([cut.ravel() for cut, _ in cuts[-2:]])
    missing = np.array([offset for _, offset in cuts[-2:]]) - normals @ gram.ravel()
    products = normals @ normals.T
    if np.linalg.det(products) <= 1e-8 * products[0, 0] * products[1, 1]:
        return single
    return gram + (np.linalg.solve(products, missing) @ normals).reshape(gram.shape)


def solve_gram(
    rows: NDArray[np.integer], coefficients: NDArray[np.float64], *, max_iterations: int = 30
) -> tuple[NDArray[np.float64], bool, int]:
    """Return the matrix (m, m), whether it is certified, and the eigendecompositions spent.

    Parameters and values are those of `gpu.gram_batches.solve_gram_batch` for one problem.
    """
    directions = np.zeros_like(coefficients)
    closest = project(np.zeros(rows.shape), rows, coefficients)
    gram = project(1.5 * np.trace(closest) / len(rows) * np.eye(len(rows)), rows, coefficients)
    cuts: list[tuple[NDArray[np.float64], float]] = []
    for step in range(max_iterations + 1):
        is_done = is_certified(gram, rows, coefficients)
        if is_done or step == max_iterations:
            return gram, is_done, step
        values, vectors = np.linalg.eigh(gram)
        excess = np.maximum((0.5 if step < 4 else 0.3) * abs(values[0]) - values, 0.0)
        normal = project((vectors * excess) @ vectors.T, rows, directions)
        gain = float(excess @ excess)
        if np.vdot(normal, normal) <= 1e-12 * gain:
            return gram, False, step + 1
        cuts.append((normal, gain + float(np.vdot(normal, gram))))
        gram = project(_closest(gram, cuts), rows, coefficients)
    raise AssertionError("the last step returns")
