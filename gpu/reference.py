"""Slow, obvious twins of the kernels, in plain Python and NumPy: the oracle for all of them.

The regions of a sign vector are found on the double cover, where nothing has to be remembered: the
vertices are (v, sheet), an edge of twist t joins (u, a) to (v, a + t), and a region of RP^2 is
one-sided exactly if its two lifts are connected.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray


def merge(a: int, b: int) -> int:
    """Return the disjoint union of two forests (see `gpu.forests.merge`)."""
    trees = _trees(f"{a:b}" if a else "") + _trees(f"{b:b}" if b else "")
    return int("".join(sorted(trees, key=lambda tree: int(tree, 2), reverse=True)) or "0", 2)


def _trees(bits: str) -> list[str]:
    """Cut a string of balanced parentheses into its trees."""
    trees, depth, begin = [], 0, 0
    for end, bit in enumerate(bits, start=1):
        depth += 1 if bit == "1" else -1
        if depth == 0:
            trees.append(bits[begin:end])
            begin = end
    return trees


def scheme_code(
    edges: NDArray[np.integer], num_vertices: int, is_odd: bool, signs: NDArray[np.integer]
) -> int:
    """Return the scheme code of one sign vector (see `gpu.isotopy`)."""
    joined: list[list[tuple[int, int]]] = [[] for _ in range(num_vertices)]
    cut = []
    for u, v, p, q, parity, twist in np.asarray(edges).tolist():
        if (signs[p] + signs[q] + parity) % 2 == 0:
            joined[u].append((v, twist))
            joined[v].append((u, twist))
        else:
            cut.append((u, v))
    region = _regions(joined)
    if is_odd:
        roots = {region[u] for u, v in cut if region[u] == region[v]}
    else:
        roots = {region[v] for v in range(num_vertices) if _is_one_sided(joined, v)}
    (root,) = roots
    neighbors: dict[int, set[int]] = {r: set() for r in region}
    for u, v in cut:
        neighbors[region[u]].add(region[v])
        neighbors[region[v]].add(region[u])
    return int(_parentheses(neighbors, root, root) or "0", 2)


def _regions(joined: list[list[tuple[int, int]]]) -> list[int]:
    """Label every vertex with the smallest vertex of its region."""
    region = [-1] * len(joined)
    for start in range(len(joined)):
        if region[start] < 0:
            region[start] = start
            stack = [start]
            while stack:
                for v, _ in joined[stack.pop()]:
                    if region[v] < 0:
                        region[v] = start
                        stack.append(v)
    return region


def _is_one_sided(joined: list[list[tuple[int, int]]], start: int) -> bool:
    """Tell whether (start, 0) and (start, 1) are connected on the double cover."""
    seen = {(start, 0)}
    stack = [(start, 0)]
    while stack:
        u, sheet = stack.pop()
        for v, twist in joined[u]:
            lift = (v, sheet ^ twist)
            if lift not in seen:
                seen.add(lift)
                stack.append(lift)
    return (start, 1) in seen


def _parentheses(neighbors: dict[int, set[int]], region: int, parent: int) -> str:
    """Write the children of a region as balanced parentheses."""
    trees = [
        f"1{_parentheses(neighbors, child, region)}0"
        for child in neighbors[region] - {parent, region}
    ]
    return "".join(sorted(trees, key=lambda tree: int(tree, 2), reverse=True))


def sweep(
    edges: NDArray[np.integer],
    num_vertices: int,
    num_points: int,
    is_odd: bool,
    free_points: NDArray[np.integer],
    begin: int,
    end: int,
) -> dict[int, int]:
    """Count the scheme codes of a range of sign vectors (see `gpu.isotopy.sweep`)."""
    counts: Counter[int] = Counter()
    for k in range(begin, end):
        signs = np.zeros(num_points, dtype=np.int64)
        signs[free_points] = [(k >> i) & 1 for i in range(len(free_points))]
        counts[scheme_code(edges, num_vertices, is_odd, signs)] += 1
    return dict(counts)


def adaptive_step(
    x: NDArray[np.floating],
    direction: NDArray[np.floating],
    moment: NDArray[np.floating],
    *,
    eta: float,
    delta: float = 1e-8,
    bounds: tuple[float, float] = (0.0, np.inf),
    radius: float = 1.0,
    num_inner: int = 2,
    max_step: float = 1.0,
) -> NDArray[np.floating]:
    """Where the inner steps of `gpu.adaptive_steps` end, for second moments that are there."""
    h = np.clip(delta + np.sqrt(moment), *bounds)
    y = x.copy()
    for _ in range(num_inner):
        p = eta * direction + h * (y - x)
        v = np.where(p < 0, radius, -radius)
        curve = np.sum(h * (y - v) ** 2)
        length = np.clip(np.sum(p * (y - v)) / curve, 0.0, max_step) if curve else 0.0
        y = y + length * (v - y)
    return y
