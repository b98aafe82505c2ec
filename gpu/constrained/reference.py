"""Slow, obvious twins in NumPy: sums and their gradients, and stochastic methods as plain loops.

They are the oracle of tests and what benchmarks compare with: each is written as one would write it
by hand, with the arrays' own products and the generator of NumPy.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gpu.constrained.sums import FiniteSum

__all__ = ["PLAIN_METHODS", "gradient_of", "value_of"]

Array = NDArray[np.float64]
Rows = NDArray[np.int64] | slice


def outputs_of(problem: FiniteSum, x: Array, rows: Rows = slice(None)) -> Array:
    """z (b, q) of some terms."""
    if problem.places.size:
        return x[problem.places[rows]][:, None]
    a = problem.rows[rows]
    return a @ x.reshape(a.shape[1], -1)


def slopes_of(loss: int, z: Array, y: Array) -> Array:
    """Derivatives of the losses."""
    if loss == 0:
        return z - y
    if loss == 1:
        return -y / (1 + np.exp(np.minimum(y * z, 700)))
    return -y * np.maximum(0, 1 - y * z)


def value_of(problem: FiniteSum, x: Array) -> float:
    """f(x)."""
    z, y = outputs_of(problem, x), problem.targets
    if problem.loss == 0:
        losses = (z - y) ** 2 / 2
    elif problem.loss == 1:
        losses = np.logaddexp(0, -y * z)
    else:
        losses = np.maximum(0, 1 - y * z) ** 2 / 2
    return float(losses.sum() / len(y))


def gradient_of(problem: FiniteSum, x: Array, rows: Rows = slice(None)) -> Array:
    """Mean gradient (d,) of some terms."""
    slopes = slopes_of(problem.loss, outputs_of(problem, x, rows), problem.targets[rows])
    if problem.places.size:
        g = np.zeros(x.size)
        np.add.at(g, problem.places[rows], slopes[:, 0])
        return g / len(slopes)
    return (problem.rows[rows].T @ slopes).ravel() / len(slopes)


Vertex = Callable[[Array], Array]


def plain_fw(problem: FiniteSum, vertex: Vertex, x: Array, steps: int) -> Array:
    """Frank-Wolfe with open-loop steps."""
    for t in range(steps):
        v = vertex(gradient_of(problem, x))
        x = x + 2 / (t + 2) * (v - x)
    return x


def plain_sfw(
    problem: FiniteSum,
    vertex: Vertex,
    x: Array,
    steps: int,
    batch: int,
    random: np.random.Generator,
) -> Array:
    """Stochastic Frank-Wolfe."""
    num = len(problem.targets)
    for t in range(steps):
        v = vertex(gradient_of(problem, x, random.integers(num, size=batch)))
        x = x + 2 / (t + 8) * (v - x)
    return x


def plain_svrf(
    problem: FiniteSum,
    vertex: Vertex,
    x: Array,
    steps: int,
    batch: int,
    random: np.random.Generator,
) -> Array:
    """Stochastic variance-reduced Frank-Wolfe."""
    num, epoch, k = len(problem.targets), 0, 0
    anchor = whole = x
    for _ in range(steps):
        if epoch == 0 or k == 2 ** (epoch + 3) - 2:
            epoch, k, anchor = epoch + 1, 0, x
            g = whole = gradient_of(problem, x)
        else:
            rows = random.integers(num, size=batch)
            g = gradient_of(problem, x, rows) - gradient_of(problem, anchor, rows) + whole
        k += 1
        x = x + 2 / (k + 1) * (vertex(g) - x)
    return x


def plain_csfw(
    problem: FiniteSum,
    vertex: Vertex,
    x: Array,
    steps: int,
    batch: int,
    random: np.random.Generator,
) -> Array:
    """Frank-Wolfe with a table of slopes."""
    num = len(problem.targets)
    table, g = np.zeros_like(problem.targets), np.zeros(x.size)
    for t in range(steps):
        rows = random.integers(num, size=batch)
        new = slopes_of(problem.loss, outputs_of(problem, x, rows), problem.targets[rows])
        g = g + (problem.rows[rows].T @ (new - table[rows])).ravel() / num
        table[rows] = new
        x = x + 2 / (t + 2) * (vertex(g) - x)
    return x


def plain_adasfw(
    problem: FiniteSum,
    vertex: Vertex,
    x: Array,
    steps: int,
    batch: int,
    random: np.random.Generator,
    *,
    inner: int = 5,
    eta: float = 1.0,
) -> Array:
    """Frank-Wolfe steps on quadratic models with the metric of AdaGrad."""
    num, squares = len(problem.targets), np.zeros(x.size)
    for _ in range(steps):
        g = gradient_of(problem, x, random.integers(num, size=batch))
        squares += g * g
        h = 1e-8 + np.sqrt(squares)
        y = x
        for _ in range(inner):
            q = g + h * (y - x) / eta
            d = vertex(q) - y
            length = h @ (d * d)
            if length <= 0:
                break
            y = y + min(max(-eta * (q @ d) / length, 0.0), 1.0) * d
        x = y
    return x


PLAIN_METHODS: dict[str, Callable[..., Array]] = {
    "fw": plain_fw,
    "sfw": plain_sfw,
    "svrf": plain_svrf,
    "csfw": plain_csfw,
    "adasfw": plain_adasfw,
}
"""By the names of the study."""
