import pickle

import numpy as np
import pytest
from hypothesis import given
from strategies import triangulations

from tasks.lattice import Triangulation, honeycomb, lattice_points

SQUARE = [[0, 1, 3], [1, 3, 4], [1, 2, 4], [3, 4, 5]]


def test_triangles_are_canonical_whatever_the_input_order():
    shuffled = [[5, 4, 3], [4, 2, 1], [4, 3, 1], [3, 1, 0]]
    made = Triangulation.of(2, shuffled)
    assert made.triangles.tolist() == [[0, 1, 3], [1, 2, 4], [1, 3, 4], [3, 4, 5]]
    assert made.triangles.dtype == np.int32
    assert made == Triangulation.of(2, np.array(SQUARE))


def test_equality_is_by_content_and_ignores_the_name():
    first, second = Triangulation.of(2, SQUARE, name="a"), Triangulation.of(2, SQUARE, name="b")
    assert first == second
    assert hash(first) == hash(second)
    assert first.content_hash() == second.content_hash()
    assert first != first.with_weights([0, 1, 4, 1, 3, 4])
    assert first != SQUARE


def test_content_hash_is_the_recorded_one():
    made = Triangulation.of(2, SQUARE, weights=[0, 1, 4, 1, 3, 4])
    assert made.content_hash() == "bde5c4a4c9caa61e42b01bdb72f1fb73e71970a15be4b893d3fca6c5eaa7f8f4"


def test_content_hash_depends_on_the_weights():
    bare = Triangulation.of(2, SQUARE)
    hashes = {bare.with_weights(w).content_hash() for w in (None, [0] * 6, [0] * 5 + [1])}
    assert len(hashes) == 3


def test_arrays_are_read_only():
    made = honeycomb(3)
    for array in (made.triangles, made.edges, made.interior_edges):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 7


def test_arrays_given_by_the_caller_are_copied():
    rows = np.array(SQUARE, dtype=np.int32)
    made = Triangulation.of(2, rows)
    rows[:] = 0
    assert made == Triangulation.of(2, SQUARE)


def test_a_pickle_is_equal_hashes_equally_and_is_still_read_only():
    made = honeycomb(4)
    copy = pickle.loads(pickle.dumps(made))
    assert copy == made
    assert hash(copy) == hash(made)
    assert copy.name == made.name
    assert not copy.triangles.flags.writeable


def test_a_missing_name_is_made_from_the_content():
    made = Triangulation.of(2, SQUARE)
    assert made.name == f"2_{made.content_hash()[:8]}"
    assert repr(made.with_name("x")) == "Triangulation('x', degree 2, no weights)"


@given(triangulations(max_degree=8))
def test_numbers_of_edges_follow_from_euler(triangulation):
    d = triangulation.degree
    assert len(triangulation.edges) == 3 * d * (d + 1) // 2
    assert triangulation.interior_edges.shape == (3 * d * (d - 1) // 2, 4)
    euler = triangulation.num_points - len(triangulation.edges) + len(triangulation.triangles)
    assert euler == 1


@given(triangulations(max_degree=5))
def test_edges_are_the_sides_of_triangles_in_lexicographic_order(triangulation):
    sides = {
        (int(u), int(v)) for t in triangulation.triangles for u in t for v in t if int(u) < int(v)
    }
    assert [tuple(edge) for edge in triangulation.edges.tolist()] == sorted(sides)


@given(triangulations(max_degree=5))
def test_an_interior_edge_has_its_two_triangles_on_opposite_sides(triangulation):
    triangles = {tuple(t) for t in triangulation.triangles.tolist()}
    points = lattice_points(triangulation.degree).tolist()
    for a, b, c, f in triangulation.interior_edges.tolist():
        assert a < b
        assert c < f
        assert {tuple(sorted((a, b, c))), tuple(sorted((a, b, f)))} <= triangles
        assert _side(points, a, b, c) * _side(points, a, b, f) == -1


def _side(points, a, b, c):
    (ax, ay), (bx, by), (cx, cy) = points[a], points[b], points[c]
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)


def test_degree_60_takes_a_moment():
    made = honeycomb(60)
    assert len(made.triangles) == 3600
    assert len(made.interior_edges) == 5310
