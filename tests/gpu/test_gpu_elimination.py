"""Elimination orders."""

import numpy as np
import pytest

from gpu.elimination import elimination_order


def neighbor_words(edges: list[tuple[int, int]], size: int) -> np.ndarray:
    words = np.zeros(size, dtype=np.int64)
    for u, v in edges:
        words[u] |= 1 << v
        words[v] |= 1 << u
    return words


def frontier_sizes(order: list[int], words: np.ndarray) -> list[int]:
    added: set[int] = set()
    sizes = []
    for vertex in order:
        added.add(vertex)
        sizes.append(sum(any(v not in added for v in _bits(words[u])) for u in added))
    return sizes


def _bits(word: int) -> list[int]:
    return [i for i in range(64) if (int(word) >> i) & 1]


@pytest.mark.parametrize("size", [1, 2, 7, 30, 62])
def test_the_order_is_a_permutation(size: int) -> None:
    words = neighbor_words([(i, i + 1) for i in range(size - 1)], size)
    order = elimination_order(words, np.full(size, 4.0))
    assert sorted(order.tolist()) == list(range(size))


def test_a_path_needs_a_frontier_of_one_vertex() -> None:
    words = neighbor_words([(i, i + 1) for i in range(19)], 20)
    order = elimination_order(words, np.full(20, 4.0)).tolist()
    assert max(frontier_sizes(order, words)) == 1


def test_a_grid_is_swept_along_its_short_side() -> None:
    rows, columns = 4, 9
    edges = [(4 * c + r, 4 * c + r + 1) for c in range(columns) for r in range(rows - 1)]
    edges += [(4 * c + r, 4 * (c + 1) + r) for c in range(columns - 1) for r in range(rows)]
    words = neighbor_words(edges, rows * columns)
    order = elimination_order(words, np.full(rows * columns, 4.0)).tolist()
    assert max(frontier_sizes(order, words)) <= rows + 1


def test_the_order_is_deterministic() -> None:
    rng = np.random.default_rng(3)
    edges = [(i, i + 1) for i in range(29)] + [
        tuple(rng.choice(30, 2, replace=False)) for _ in "x" * 40
    ]
    words = neighbor_words([(int(u), int(v)) for u, v in edges], 30)
    weights = rng.integers(1, 5, 30) + 0.5
    first = elimination_order(words, weights)
    assert (elimination_order(words, weights) == first).all()
