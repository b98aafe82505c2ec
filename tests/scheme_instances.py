"""Instances for the kernels that evaluate real schemes, and the oracles that answer them."""

import numpy as np
from known_triangulations import PINWHEEL

from gpu import isotopy, reference
from tasks.lattice import Triangulation, honeycomb, lattice_points, num_points, point_index
from tasks.tcurves import patchwork
from tasks.tcurves.signs import gauge_points


def packed(*chosen: Triangulation) -> np.ndarray:
    """Triangles as the kernels read them: uint8 (B, F, 3)."""
    return np.stack([t.triangles for t in chosen]).astype(np.uint8)


def random_words(degree: int, count: int, seed: int) -> np.ndarray:
    """Sign vectors as words, uniformly at random: int64 (count,)."""
    return np.random.default_rng(seed).integers(0, 1 << num_points(degree), count)


def free_points(degree: int) -> np.ndarray:
    fixed = gauge_points(degree)
    return np.array([p for p in range(num_points(degree)) if p not in fixed], dtype=np.int64)


def pinwheel(degree: int) -> Triangulation:
    """An irregular triangulation: a pinwheel in the corner x + y <= 4 of the honeycomb."""
    place = [point_index(degree, x, y) for x, y in lattice_points(4).tolist()]
    corner = [[place[p] for p in triangle] for triangle in PINWHEEL.triangles.tolist()]
    distance = lattice_points(degree).sum(axis=1)
    outside = [t for t in honeycomb(degree).triangles.tolist() if max(distance[t]) > 4]
    return Triangulation.of(degree, corner + outside, name="pinwheel")


def by_union_find(triangulation: Triangulation, words: np.ndarray) -> np.ndarray:
    complex_ = patchwork(triangulation)
    degree = triangulation.degree
    shape = (complex_.num_vertices, num_points(degree), bool(degree % 2))
    return isotopy.scheme_codes(complex_.edges, *shape, words)


def by_reference(triangulation: Triangulation, words: np.ndarray) -> list[int]:
    complex_ = patchwork(triangulation)
    n = num_points(triangulation.degree)
    return [
        reference.scheme_code(
            complex_.edges,
            complex_.num_vertices,
            bool(triangulation.degree % 2),
            np.array([(word >> i) & 1 for i in range(n)]),
        )
        for word in words.tolist()
    ]


def star(degree: int) -> np.ndarray:
    """No triangulation: triangles that join the middle point to all others."""
    middle = num_points(degree) // 2
    rim = [p for p in range(num_points(degree)) if p != middle]
    return np.array([[(middle, p, middle) for p in rim]], dtype=np.uint8)
