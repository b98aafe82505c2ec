"""Polar factors: the matrix nearest to X with all singular values 1.

For X = U diag(s) V' of (..., m, n) it is U V', a vertex of the spectral ball (Muon's step).
Three ways, all for whole stacks of matrices:

    svd       from the singular value decomposition: exact, slow
    gram      X (X' X)^(-1/2) by the eigenvectors of the smaller Gram matrix, then a cubic step;
              checked, and done again in float64, at last by svd, where it is not exact
    express   Polar Express: a composition of the odd polynomials of degree 5 that are best on the
              interval left by the ones before, then cubic steps s -> (3 s - s^3) / 2, which map
              all of (0, sqrt 3) to at most 1: the result never leaves the ball

References
----------
Amsel, Persson, Musco, Gower, The Polar Express, arXiv:2505.16932, section 3 (the coefficients are
computed here, by Remez exchange); Higham, Functions of Matrices, chapter 8.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from scipy.linalg import get_blas_funcs
from torch import Tensor

SLACK = 1e-4
"""Largest distance of singular values from 1 that is taken as exact."""
LEAST_ASPECT = 1.25
"""Of a Gaussian matrix the condition is about (1 + a) / (1 - a), a^2 = 1 / aspect: here 18."""
LOWEST = 1e-4
"""Singular values above this share of the bound on the largest come out within 1 %."""


def polar_factor(matrices: Tensor) -> Tensor:
    """U V' (..., m, n), singular values 1 to within 1e-4, by the quickest way on this device."""
    return by_express(matrices) if matrices.device.type == "cuda" else by_gram(matrices)


def by_svd(matrices: Tensor) -> Tensor:
    """From singular vectors; those of the value 0 are completed to a basis."""
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    return left @ right


def by_gram(matrices: Tensor) -> Tensor:
    """From eigenvectors of the smaller Gram matrix, in the least precision that is exact enough."""
    tall = _tall(matrices)
    if tall.dim() == 2:
        found = _exact(tall)
    else:
        flat = tall.reshape(-1, *tall.shape[-2:])
        found = torch.stack([_exact(each) for each in flat]).reshape(tall.shape)
    return found if tall is matrices else found.mT


def _exact(tall: Tensor) -> Tensor:
    """Of one matrix (m, n), m >= n."""
    # Matrices that are nearly square are ill-conditioned, and float32 would be in vain.
    is_square = tall.shape[0] < LEAST_ASPECT * tall.shape[1]
    is_coarse = tall.dtype == torch.float32 and not is_square
    for dtype in (torch.float32, torch.float64) if is_coarse else (torch.float64,):
        found = _polished(_whitened(tall, dtype))
        if found is not None:
            return found
    return by_svd(tall)


def _whitened(tall: Tensor, dtype: torch.dtype) -> Tensor:
    """X (X' X)^(-1/2), as far as this precision goes."""
    squares, vectors = torch.linalg.eigh(_gram(tall.to(dtype)))
    roots = squares.clamp(min=torch.finfo(dtype).tiny).rsqrt()
    return tall @ ((vectors * roots) @ vectors.mT).to(tall.dtype)


def _polished(near: Tensor) -> Tensor | None:
    """After a cubic step if one is needed; None if singular values are not 1 to `SLACK` then.

    With E = P' P - 1 and d the largest distance of a singular value from 1, 2 d is about the norm
    of E, which is at most the root of the Frobenius norm of E E.  A step leaves 3/2 d^2.
    """
    error = _gram(near)
    error.diagonal().sub_(1)
    far = float((error @ error).norm().sqrt())
    slack = SLACK if near.dtype == torch.float32 else SLACK**2
    if far <= slack:
        return near
    if not far <= 2 * (slack / 2) ** 0.5:
        return None
    return torch.addmm(near, near, error, alpha=-0.5)


def _gram(tall: Tensor) -> Tensor:
    """X' X (n, n), of which BLAS computes one half."""
    if tall.device.type != "cpu" or torch.compiler.is_compiling():
        return tall.mT @ tall
    array = tall.numpy().T if tall.is_contiguous() else tall.numpy()
    product = get_blas_funcs("syrk", (array,))
    half = product(1.0, array, trans=0 if tall.is_contiguous() else 1)
    # In the order of Fortran it is the upper half, and its transpose the lower one.
    lower = torch.from_numpy(half.T)
    return lower + lower.tril(-1).mT


def by_express(matrices: Tensor, *, steps: int = 8, polish: int = 1) -> Tensor:
    """By products alone, without a word from the device to the host.

    Parameters
    ----------
    matrices : Tensor (..., m, n)
    steps : int
        Polynomials of degree 5, two products with X and one small one each.
    polish : int
        Cubic steps.
    """
    wide = _tall(matrices).mT
    size = wide.norm(dim=(-2, -1), keepdim=True)
    x = wide / torch.where(size > 0, size, torch.ones_like(size))
    # The largest singular value is at most the square root of the Gram matrix's norm.
    gram = x @ x.mT
    bound = gram.norm(dim=(-2, -1), keepdim=True).sqrt()
    bound = torch.where(bound > 0, bound, torch.ones_like(bound))
    x, gram = x / bound, gram / bound.square()
    for number, (a, b, c) in enumerate(express_coefficients(steps)):
        gram = x @ x.mT if number else gram
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    for _ in range(polish):
        x = 1.5 * x - 0.5 * (x @ x.mT) @ x
    return x.mT if matrices.shape[-2] > matrices.shape[-1] else x


@lru_cache(maxsize=16)
def express_coefficients(steps: int, lowest: float = LOWEST) -> tuple[tuple[float, ...], ...]:
    """(a, b, c) of the polynomials a x + b x^3 + c x^5 for singular values in [lowest, 1].

    Each is the best approximation of 1 on the interval [l, u] that is left; its values fill
    [1 - e, 1 + e], the next interval.
    """
    low, high, found = lowest, 1.0, []
    for _ in range(steps):
        coefficients, error = _best_quintic(low, high)
        found.append(coefficients)
        low, high = 1 - error, 1 + error
    return tuple(found)


def _best_quintic(low: float, high: float) -> tuple[tuple[float, float, float], float]:
    """Odd quintic nearest to 1 on [low, high], and its error: Remez exchange of four points."""
    if high - low < 1e-6:
        # The Taylor form at 1, whose error is of third order.
        return (15 / 8, -10 / 8, 3 / 8), max(1 - low, high - 1) ** 3 * 2.5
    points = np.array([low, 0.75 * low + 0.25 * high, 0.25 * low + 0.75 * high, high])
    for _ in range(100):
        system = np.column_stack([points, points**3, points**5, [1, -1, 1, -1]])
        a, b, c, error = np.linalg.solve(system, np.ones(4))
        squares = np.sort(np.roots([5 * c, 3 * b, a]).real)
        inner = np.sqrt(np.clip(squares, low**2, high**2))
        new = np.array([low, *inner, high])
        if np.abs(new - points).max() < 1e-14 * high:
            break
        points = new
    return (float(a), float(b), float(c)), float(abs(error))


def _tall(matrices: Tensor) -> Tensor:
    return matrices if matrices.shape[-2] >= matrices.shape[-1] else matrices.mT
