"""Polar factors: the matrix nearest to X with all singular values 1.

For X = U diag(s) V' of (..., m, n) it is U V', a vertex of the spectral ball (Muon's step).
Four ways, all for whole stacks of matrices:

    svd       from the singular value decomposition: exact, slow
    gram      X (X' X)^(-1/2) by the eigenvectors of the smaller Gram matrix, then a cubic step;
              checked, and done again in float64, at last by svd, where it is not exact
    half      Polar Express in bfloat16, then steps of Taylor's polynomial of the same degree until
              all singular values are near 1, the last of them added up in float32: exact singular
              values, and vectors that belong to the matrix rounded to bfloat16; for CPUs that
              multiply tiles of bfloat16, where it is twice as fast as gram
    express   Polar Express: a composition of the odd polynomials of degree 5 that are best on the
              interval left by the ones before, then cubic steps s -> (3 s - s^3) / 2, which map
              all of (0, sqrt 3) to at most 1: the result never leaves the ball

References
----------
Amsel, Persson, Musco, Gower, The Polar Express, arXiv:2505.16932, section 3 (the coefficients are
computed here, by Remez exchange); Higham, Functions of Matrices, chapter 8.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from scipy.linalg import get_blas_funcs
from torch import Tensor

from gpu.fused_steps import add_halves

SLACK = 1e-4
"""Largest distance of singular values from 1 that is taken as exact."""
LEAST_ASPECT = 1.25
"""Of a Gaussian matrix the condition is about (1 + a) / (1 - a), a^2 = 1 / aspect: here 18."""
LOWEST = 1e-4
"""Singular values above this share of the bound on the largest come out within 1 %."""
HALF_TALL, HALF_SQUARE = (5, 3.5e-3), (10, 1e-4)
"""Steps and lowest singular value of Polar Express in bfloat16, whose rounding hides smaller ones:
those of nearly square matrices are small."""
HALF_GROUPS = (2, 2, 1)
"""Numbers of steps of long matrices that are taken from one Gram matrix."""
CUSHION, SAFETY = 0.024, 1.01
"""In bfloat16 polynomials are not made for less than this share of the interval, and bounds are so
much wider (section 4.4 of the reference)."""
NEAR = 0.06
"""Of X' X - 1 before the last step, of degree 7, which leaves NEAR^4 / 4 and what is lost by
rounding a change of NEAR / 2: less than 1e-4."""
LEAST_BOUND = 1e-6
"""Of the largest singular value: the polynomials have its fifth power."""
MOST_ROUNDS, LEAST_SIZE = 16, 128
"""Taylor steps before gram is asked; smaller matrices are not worth the tiles."""


def polar_factor(matrices: Tensor) -> Tensor:
    """U V' (..., m, n), singular values 1 to within 1e-4, by the quickest way on this device."""
    if matrices.device.type == "cuda":
        return by_express(matrices)
    is_large = min(matrices.shape[-2:]) >= LEAST_SIZE and matrices.dtype == torch.float32
    return by_half(matrices) if is_large and has_tiles() else by_gram(matrices)


@lru_cache(maxsize=1)
def has_tiles() -> bool:
    """Whether this CPU multiplies tiles of bfloat16 (AMX)."""
    asked = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(asked and asked()) and torch.backends.mkldnn.is_available()


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
        near = _whitened(tall, dtype)
        found = None if near is None else _polished(near)
        if found is not None:
            return found
    return by_svd(tall)


def _whitened(tall: Tensor, dtype: torch.dtype) -> Tensor | None:
    """X (X' X)^(-1/2), as far as this precision goes; None if squares are no numbers of it."""
    gram = _gram(tall.to(dtype))
    if not math.isfinite(float(gram.diagonal().sum())):
        return None
    squares, vectors = torch.linalg.eigh(gram)
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


def by_half(matrices: Tensor) -> Tensor:
    """Of float32 matrices (..., m, n) by products in bfloat16; by `by_gram` where these fail."""
    tall = _tall(matrices)
    flat = tall.reshape(-1, *tall.shape[-2:])
    found = [_rounded(each) for each in flat]
    # What has more tiny singular values than rounding hides.
    whole = [by_gram(x) if f is None else f for x, f in zip(flat, found, strict=True)]
    stacked = torch.stack(whole).reshape(tall.shape) if tall.dim() > 2 else whole[0]
    return stacked if tall is matrices else stacked.mT


def _rounded(tall: Tensor) -> Tensor | None:
    """Of one matrix (m, n), m >= n; None if some singular values do not come near 1."""
    x = tall.bfloat16().mT
    gram = x @ x.mT
    is_square = len(tall) < LEAST_ASPECT * len(x)
    # The largest singular value is at most the square root of the Gram matrix's norm.
    bound = SAFETY * float(gram.float().norm()) ** 0.5
    if not LEAST_BOUND < bound < 1 / LEAST_BOUND:
        return None
    steps = list(_half_coefficients(*(HALF_SQUARE if is_square else HALF_TALL)))
    a, b, c = steps[0]
    steps[0] = a / bound, b / bound**3, c / bound**5
    # Small Gram matrices are cheaper to follow than long ones to make, but not exact for long.
    groups = (1,) * len(steps) if is_square else HALF_GROUPS
    for number, count in enumerate(groups):
        gram = x @ x.mT if number else gram
        x = _followed(gram, steps[:count]) @ x
        steps = steps[count:]
    one = torch.eye(len(x), dtype=torch.bfloat16)
    for _ in range(MOST_ROUNDS):
        # The difference is taken before it is rounded: its digits are right.
        error = torch.addmm(one, x, x.mT, beta=-1)
        squares = error @ error
        far = float(squares.float().norm()) ** 0.5
        inner = torch.add(0.375 * squares, error, alpha=-0.5)
        if far <= NEAR:
            inner = torch.addmm(inner, error, squares, alpha=-0.3125)
            return _sum(x, inner @ x).mT
        if not far < len(x):
            return None
        x = torch.addmm(x, inner, x)
    return None


def _followed(gram: Tensor, steps: list[tuple[float, ...]]) -> Tensor:
    """What X is multiplied by in some steps, from its Gram matrix alone."""
    inner = whole = _inner(gram, steps[0])
    for step in steps[1:]:
        gram = inner @ gram @ inner
        inner = _inner(gram, step)
        whole = inner @ whole
    return whole


def _inner(gram: Tensor, step: tuple[float, ...]) -> Tensor:
    """a + b G + c G^2."""
    a, b, c = step
    found = torch.addmm(gram, gram, gram, beta=b, alpha=c)
    found.diagonal().add_(a)
    return found


def _sum(x: Tensor, change: Tensor) -> Tensor:
    """x + change in float32, without rounding in between."""
    found = torch.empty(x.shape)
    first, second = (each.reshape(-1).view(torch.int16).numpy() for each in (x, change))
    add_halves(first, second, found.view(-1).numpy())
    return found


@lru_cache(maxsize=2)
def _half_coefficients(steps: int, lowest: float) -> tuple[tuple[float, ...], ...]:
    """Those of Polar Express, with a cushion and bounds that bfloat16 does not break."""
    low, high, found = lowest, 1.0, []
    for number in range(steps):
        cut = max(low, CUSHION * high)
        a, b, c = _best_quintic(cut, high)[0]
        if cut > low:  # centred around 1 on the whole interval
            at_low, at_high = (x * (a + b * x**2 + c * x**4) for x in (low, high))
            a, b, c = (2 * value / (at_low + at_high) for value in (a, b, c))
        low = low * (a + b * low**2 + c * low**4)
        high = 2 - low
        wider = SAFETY if number < steps - 1 else 1.0
        found.append((a / wider, b / wider**3, c / wider**5))
    return tuple(found)


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
    if high - low < 1e-3:
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
