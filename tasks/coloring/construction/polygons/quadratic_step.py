"""Quadratic programs with soft rows and a box, by an interior-point method.

    minimise    c x + x^T H x / 2 + penalty * sum_i s_i
    subject to  G x + s >= b,  s >= 0,  -r <= x <= r

Mehrotra's predictor and corrector on the sparse normal equations. The multiplier y of a row lies
between 0 and the penalty; where it reaches the penalty, the row cannot be met within the box.

Four complementary pairs are kept positive, and their products go to 0:

    w = G x + s - b  and y,    s and q = penalty - y,    x + r and u,    r - x and v.

Linear programs would do as well, but interior points avoid the corners of flat optimal faces, and
outlines stay smooth.

References
----------
S. Mehrotra, On the implementation of a primal-dual interior point method, 1992.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array, diags_array
from scipy.sparse.linalg import SuperLU, splu

from tasks.records import InputError

__all__ = ["Step", "solve_step"]

Vector = NDArray[np.float64]

_SHORTEST = 1e-6
"""Steps shorter than this part of a Newton step are at the limit of floats."""
_RESIDUAL = 1e-8
"""Of the equations, relative to the largest |c| and the mean r."""
_SHIFTS = (0.0, 1e-12, 1e-9, 1e-6)
"""Parts of the diagonal that are added to a matrix until it can be factored."""
_MOST_ITERATIONS = 60
_TO_BOUNDARY = 0.995
"""Part of the way to the first variable that becomes 0."""


@dataclass(frozen=True)
class Step:
    """A solution: x, the multipliers y of the rows, and how many iterations it took."""

    x: Vector
    multipliers: Vector
    num_iterations: int


@dataclass(frozen=True)
class _Program:
    """Data of the module's docstring."""

    gradient: Vector
    hessian: csr_array
    rows: csr_array
    transposed: csr_array
    bounds: Vector
    radius: Vector
    penalty: float


@dataclass(frozen=True)
class _Iterate:
    """x, then the complementary pairs (w, y), (s, q), (x + r, u), (r - x, v) as one list."""

    x: Vector
    pairs: tuple[Vector, ...]

    @property
    def gap(self) -> float:
        """Mean of the products."""
        products = [a * b for a, b in _couples(self.pairs)]
        return float(np.concatenate(products).mean())

    @property
    def num_products(self) -> int:
        """How many products there are."""
        return sum(map(len, self.pairs[::2]))

    def moved(self, change: _Iterate, length: float) -> _Iterate:
        """This point and a part of a step."""
        pairs = zip(self.pairs, change.pairs, strict=True)
        return _Iterate(self.x + length * change.x, tuple(a + length * d for a, d in pairs))


def solve_step(
    gradient: Vector,
    hessian: csr_array,
    rows: csr_array,
    bounds: Vector,
    radius: Vector,
    *,
    penalty: float,
    accuracy: float,
) -> Step:
    """Solve the program of the module's docstring.

    Parameters
    ----------
    gradient, radius
        (n,) c and r > 0.
    hessian
        (n, n) H, positive semidefinite.
    rows, bounds
        (m, n) G and (m,) b.
    penalty
        Price of a unit of violation of one row, > 0.
    accuracy
        Sum of the complementary products at which to stop: about how much worse than the best the
        value may be.
    """
    program = _Program(gradient, hessian, rows, csr_array(rows.T), bounds, radius, penalty)
    scale = float(np.abs(gradient).max(initial=0.0)) or penalty
    z, count = _start(program, scale), 0
    while count < _MOST_ITERATIONS:
        dual, primal = _residuals(program, z)
        exact = np.abs(dual).max() <= _RESIDUAL * scale
        exact &= np.abs(primal).max(initial=0) <= _RESIDUAL * float(radius.mean())
        if exact and z.gap * z.num_products <= accuracy:
            break
        if min(float(each.min(initial=1.0)) for each in z.pairs) <= 0:
            break  # at the limit of floats
        z, length = _advanced(program, z, dual, primal)
        count += 1
        if length < _SHORTEST:
            break
    return Step(x=z.x, multipliers=z.pairs[1], num_iterations=count)


def _start(program: _Program, scale: float) -> _Iterate:
    """x = 0, with slacks that meet the rows."""
    radius, bounds = program.radius, program.bounds
    soft = np.maximum(bounds, 0) + max(float(radius.mean()), 1e-12)
    y = np.full(len(bounds), min(scale, program.penalty / 2))
    sides = np.full(len(radius), scale)
    pairs = (soft - bounds, y, soft, program.penalty - y, radius, sides, radius, sides)
    return _Iterate(np.zeros(len(radius)), pairs)


def _couples(pairs: tuple[Vector, ...]) -> list[tuple[Vector, Vector]]:
    return list(zip(pairs[::2], pairs[1::2], strict=True))


def _residuals(program: _Program, z: _Iterate) -> tuple[Vector, Vector]:
    w, y, s, _, _, u, _, v = z.pairs
    dual = program.gradient + program.hessian @ z.x - program.transposed @ y - u + v
    return dual, program.rows @ z.x + s - program.bounds - w


def _advanced(
    program: _Program, z: _Iterate, dual: Vector, primal: Vector
) -> tuple[_Iterate, float]:
    """The point after one predictor and corrector, and the length of its step."""
    direction = _direction(program, z, dual, primal)
    products = [a * b for a, b in _couples(z.pairs)]
    predictor = direction([-product for product in products])
    reached = z.moved(predictor, _longest(z, predictor)).gap
    target = z.gap * (reached / z.gap) ** 3
    second = [a * b for a, b in _couples(predictor.pairs)]
    corrector = direction([target - p - q for p, q in zip(products, second, strict=True)])
    length = min(1.0, _TO_BOUNDARY * _longest(z, corrector))
    return z.moved(corrector, length), length


def _direction(
    program: _Program, z: _Iterate, dual: Vector, primal: Vector
) -> Callable[[list[Vector]], _Iterate]:
    """What gives the Newton step for wanted changes of the four products."""
    w, y, s, q, low, u, high, v = z.pairs
    rows, transposed = program.rows, program.transposed
    weight = 1 / (w / y + s / q)
    barrier = diags_array(u / low + v / high)
    normal = csc_array(transposed @ (diags_array(weight) @ rows) + program.hessian + barrier)
    factor = _factored(normal)

    def step(changes: list[Vector]) -> _Iterate:
        t1, t2, t3, t4 = changes
        inner = t1 / y - primal - t2 / q
        dx = factor.solve(-dual + transposed @ (weight * inner) + t3 / low - t4 / high)
        dy = weight * (inner - rows @ dx)
        dw, ds = (t1 - w * dy) / y, (t2 + s * dy) / q
        du, dv = (t3 - u * dx) / low, (t4 + v * dx) / high
        return _Iterate(dx, (dw, dy, ds, -dy, dx, du, -dx, dv))

    return step


def _factored(normal: csc_array) -> SuperLU:
    """Factors of a positive definite matrix, with a larger diagonal where rounding spoils it.

    Raises
    ------
    InputError
        If that does not help.
    """
    diagonal, reason = diags_array(normal.diagonal()), ""
    for share in _SHIFTS:
        try:
            return splu(
                csc_array(normal + share * diagonal) if share else normal,
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )
        except RuntimeError as error:  # a pivot is 0
            reason = str(error)
    raise InputError(f"the tiles cannot be moved: {reason}")


def _longest(z: _Iterate, change: _Iterate) -> float:
    """The longest step <= 1 that keeps all variables nonnegative."""
    longest = 1.0
    for value, step in zip(z.pairs, change.pairs, strict=True):
        falling = step < 0
        longest = min(longest, float((-value[falling] / step[falling]).min(initial=1.0)))
    return longest
