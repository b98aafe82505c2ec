"""Small finite sums and sets for tests."""

import numpy as np

from gpu.constrained.oracles import SETS, Domain
from gpu.constrained.sums import finite_sum
from tasks.nn.regions import region_by_name
from tasks.nn.regions.flows import parsed

NONE = np.empty(0, np.int64)
GRAPH = "0>1 0>2 2>1 1>3 2>3 1>4 3>4"


def domain_of(name, rows, columns=1, radius=1.0):
    """A set as the kernels read it; flows are those of `GRAPH`, which has seven edges."""
    if name == "flow":
        return parsed(GRAPH).domain(radius)
    if name == "birkhoff":
        i, j = np.divmod(np.arange(rows * columns), columns)
        return Domain(SETS[name], radius, rows, columns, i, rows + j, NONE, 2 * rows, 0, 0)
    return Domain(SETS[name], radius, rows, columns, NONE, NONE, NONE, 0, 0, 0)


def region_of(name, radius=1.0):
    """The region of the same name."""
    more = {"graph": GRAPH} if name == "flow" else {}
    return region_by_name(name, radius=radius, **more)


SHAPES = {
    "l1": (7, 1),
    "l2": (7, 1),
    "linf": (7, 1),
    "simplex": (7, 1),
    "nuclear": (5, 3),
    "birkhoff": (4, 4),
    "flow": (7, 1),
}
"""Rows and columns of points of every set."""


def sum_of(loss, p, q=1, n=30, seed=0, spread=1.0):
    """Random rows whose columns differ in size by `spread`, and targets."""
    random = np.random.default_rng(seed)
    rows = random.standard_normal((n, p)) * np.geomspace(1, spread, p)
    targets = rows @ random.standard_normal((p, q)) / np.sqrt(p) + random.standard_normal((n, q))
    return finite_sum(rows, targets if loss == "squares" else np.sign(targets), loss)


def observed(n=12, shape=(5, 3), seed=0):
    """Entries of a matrix, some of them twice."""
    random = np.random.default_rng(seed)
    places = random.integers(shape[0] * shape[1], size=n)
    return finite_sum(np.empty((0, 5)), random.standard_normal((n, 1)), "squares", places)
