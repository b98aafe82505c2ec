"""Methods and their states as the kernels read and change them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = [
    "ESTIMATORS",
    "GRADIENTS",
    "ORACLES",
    "PROJECTIONS",
    "STEP",
    "UPDATES",
    "Method",
    "State",
    "new_state",
]

ESTIMATORS = {
    "full": 0, "batch": 1, "momentum": 2, "recursive": 3, "svrf": 4, "spider": 5, "table": 6
}  # fmt: skip
UPDATES = {"frank_wolfe": 0, "adaptive": 1, "projected": 2}
STEP, GRADIENTS, ORACLES, PROJECTIONS, EPOCH, INNER = range(6)
"""Places of the counters: steps, gradients of terms, linear minimizations, projections (for
nuclear balls: decompositions), epochs, steps within the epoch."""


class Method(NamedTuple):
    """What a method does in a step.

    Attributes
    ----------
    estimator, update, schedule : int
        Of `ESTIMATORS`, `UPDATES` and `gpu.constrained.schedules.SCHEDULES`.
    epochs : int
        Schedule of the epochs of variance reduction.
    batch : int
        Terms of a batch; 0 for the published sizes.
    inner : int
        K, Frank-Wolfe steps for each quadratic model.
    rate : float
        eta.
    delta, low, high : float
        Offset of the metric, and what its entries are clipped to.
    beta1, beta2 : float
        Of moments; beta2 = 0 adds up squares, as AdaGrad does.
    """

    estimator: int
    update: int
    schedule: int
    epochs: int
    batch: int
    inner: int
    rate: float
    delta: float
    low: float
    high: float
    beta1: float
    beta2: float


class State(NamedTuple):
    """Where a method is; everything changes in place.

    Attributes
    ----------
    x, previous : (d,) float64
        Point, and the one before it.
    g : (d,) float64
        Estimate of the gradient.
    anchor, anchor_gradient : (d,) float64
        Snapshot and its gradient.
    table : (n, q) float64
        Slopes of the terms as they were last seen.
    moment, squares, top, metric : (d,) float64
        Mean of gradients, sum or mean of their squares, its largest value so far, and h.
    y, q, v : (d,) float64
        Of the quadratic model: point, its gradient, vertex.
    z, old : (q,) float64
    indices : (n,) int64
    random : (1,) uint64
    counts : (6,) int64
    """

    x: NDArray[np.float64]
    previous: NDArray[np.float64]
    g: NDArray[np.float64]
    anchor: NDArray[np.float64]
    anchor_gradient: NDArray[np.float64]
    table: NDArray[np.float64]
    moment: NDArray[np.float64]
    squares: NDArray[np.float64]
    top: NDArray[np.float64]
    metric: NDArray[np.float64]
    y: NDArray[np.float64]
    q: NDArray[np.float64]
    v: NDArray[np.float64]
    z: NDArray[np.float64]
    old: NDArray[np.float64]
    indices: NDArray[np.int64]
    random: NDArray[np.uint64]
    counts: NDArray[np.int64]


def new_state(start: NDArray[np.float64], shape: tuple[int, ...], seed: int) -> State:
    """The state before the first step, from a start (d,), for targets of shape (n, q)."""
    num_terms, num_outputs = shape

    def room() -> NDArray[np.float64]:
        return np.zeros(start.size)

    return State(
        x=start.astype(float),
        previous=start.astype(float),
        g=room(),
        anchor=room(),
        anchor_gradient=room(),
        table=np.zeros(shape),
        moment=room(),
        squares=room(),
        top=room(),
        metric=room(),
        y=room(),
        q=room(),
        v=room(),
        z=np.zeros(num_outputs),
        old=np.zeros(num_outputs),
        indices=np.zeros(num_terms, np.int64),
        random=np.array([seed], np.uint64),
        counts=np.zeros(6, np.int64),
    )


@njit(cache=True, nogil=True)
def draw(random, size):
    """A whole number below `size`, by SplitMix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    random[0] += np.uint64(0x9E3779B97F4A7C15)
    word = random[0]
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    word = word ^ (word >> np.uint64(31))
    return int((word >> np.uint64(11)) * (size * 2.0**-53))
