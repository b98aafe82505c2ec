"""Compact convex sets as the kernels know them, with their linear minimization.

    l1, l2, linf     norm balls of radius r
    simplex          {x >= 0, sum x = r}
    nuclear          matrices (p, q) whose singular values have a sum of at most r
    birkhoff         r times the doubly stochastic matrices (p, p)
    flow             flows of value r from the source to the sink of an acyclic graph

These are the regions of the same names in `tasks.nn.regions`, which are for any tensor; here a
point is a vector of float64 and a call costs less than a microsecond where it can.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gpu.constrained.assignment import cheapest_assignment
from gpu.constrained.graphs import shortest_path
from gpu.constrained.small_matrices import leading_vector, smaller_gram
from gpu.constrained.vectors import largest

__all__ = ["POLYTOPES", "SETS", "Domain", "minimize_linear"]

SETS = {"l1": 0, "l2": 1, "linf": 2, "simplex": 3, "nuclear": 4, "birkhoff": 5, "flow": 6}
"""Numbers of the sets."""
POLYTOPES = ("l1", "linf", "simplex", "birkhoff", "flow")
"""Those with finitely many vertices."""
BIRKHOFF, FLOW, NUCLEAR = 5, 6, 4


class Domain(NamedTuple):
    """A set as the kernels read it.

    Attributes
    ----------
    code : int
        One of `SETS`.
    radius : float
    rows, columns : int
        Of a point as a matrix; a vector has one column.
    tails, heads, order : (e,) int64
        Of a flow: ends of the edges, and their topological order.  Of a Birkhoff polytope: the two
        equations, of a row and of a column, in which an entry is.
    num_nodes, source, sink : int
    """

    code: int
    radius: float
    rows: int
    columns: int
    tails: NDArray[np.int64]
    heads: NDArray[np.int64]
    order: NDArray[np.int64]
    num_nodes: int
    source: int
    sink: int


@njit(cache=True, nogil=True)
def _rank_one(matrix, radius, v):
    """Write -radius u w' into v (p, q), with the leading singular vectors of `matrix` (p, q)."""
    p, q = matrix.shape
    size = 0.0
    for i in range(p):
        for j in range(q):
            size = max(size, abs(matrix[i, j]))
    v[:] = 0.0
    if size == 0.0:
        v[0, 0] = -radius
        return
    scaled = np.empty((p, q))
    for i in range(p):
        for j in range(q):
            scaled[i, j] = matrix[i, j] / size
    vector = leading_vector(smaller_gram(scaled))
    other = np.zeros(max(p, q))
    is_tall = p >= q
    total = 0.0
    for i in range(other.size):
        for j in range(vector.size):
            other[i] += (scaled[i, j] if is_tall else scaled[j, i]) * vector[j]
        total += other[i] ** 2
    factor = -radius / math.sqrt(total)
    for i in range(p):
        for j in range(q):
            v[i, j] = factor * (other[i] * vector[j] if is_tall else vector[i] * other[j])


@njit(cache=True, nogil=True)
def minimize_linear(domain, g, v):
    """Write into v (d,) a vertex with the least inner product with g (d,)."""
    code, radius = domain.code, domain.radius
    if code == 0 or code == 3:
        best, place = -np.inf, 0
        for j in range(g.size):
            size = abs(g[j]) if code == 0 else -g[j]
            if size > best:
                best, place = size, j
        v[:] = 0.0
        v[place] = -radius if code == 0 and g[place] >= 0 else radius
    elif code == 1:
        size = largest(g)
        if size == 0.0:
            v[:] = 0.0
            v[0] = -radius
            return
        total = 0.0
        for j in range(g.size):
            v[j] = g[j] / size
            total += v[j] * v[j]
        factor = -radius / math.sqrt(total)
        for j in range(g.size):
            v[j] *= factor
    elif code == 2:
        for j in range(g.size):
            v[j] = radius if g[j] < 0 else -radius
    elif code == NUCLEAR:
        shape = (domain.rows, domain.columns)
        _rank_one(g.reshape(shape), radius, v.reshape(shape))
    elif code == BIRKHOFF:
        found = cheapest_assignment(g.reshape(domain.rows, domain.columns))
        v[:] = 0.0
        for i in range(found.size):
            v[i * domain.columns + found[i]] = radius
    else:
        shortest_path(
            g, domain.tails, domain.heads, domain.order, domain.num_nodes, domain.source,
            domain.sink, v,
        )  # fmt: skip
        for j in range(v.size):
            v[j] *= radius


@njit(cache=True, nogil=True)
def dual_gap(domain, x, g, v):
    """max over the set of <g, x - v>, which bounds f(x) - min f; v becomes the vertex."""
    minimize_linear(domain, g, v)
    total = 0.0
    for j in range(x.size):
        total += g[j] * (x[j] - v[j])
    return total
