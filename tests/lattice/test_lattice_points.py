import numpy as np
import pytest

from tasks.lattice import (
    MAX_DEGREE,
    check_degree,
    degree_of,
    lattice_points,
    num_points,
    point_index,
)
from tasks.records.errors import InputError

DEGREES = (1, 2, 3, 6, 8, MAX_DEGREE)


@pytest.mark.parametrize("degree", DEGREES)
def test_points_are_all_lattice_points_of_the_simplex_in_lexicographic_order(degree):
    points = [tuple(p) for p in lattice_points(degree).tolist()]
    grid = range(degree + 1)
    assert points == sorted((x, y) for x in grid for y in grid if x + y <= degree)
    assert len(points) == num_points(degree)


@pytest.mark.parametrize("degree", DEGREES)
def test_point_index_inverts_lattice_points(degree):
    x, y = lattice_points(degree).T
    np.testing.assert_array_equal(point_index(degree, x, y), np.arange(num_points(degree)))
    for i, (a, b) in enumerate(lattice_points(degree).tolist()):
        assert point_index(degree, a, b) == i


@pytest.mark.parametrize("degree", DEGREES)
def test_degree_of_inverts_num_points(degree):
    assert degree_of(num_points(degree)) == degree


def test_known_numbers_of_points():
    assert [num_points(d) for d in (6, 7, 8, 9)] == [28, 36, 45, 55]


@pytest.mark.parametrize("count", [-3, 0, 1, 2, 27, 29, num_points(MAX_DEGREE) + 1, 1953])
def test_degree_of_refuses_numbers_that_are_not_triangular(count):
    with pytest.raises(InputError, match=f"no degree has {count} lattice points"):
        degree_of(count)


@pytest.mark.parametrize("degree", [0, -1, 61, 2.0, "7", None, True])
def test_degrees_outside_1_to_60_are_refused(degree):
    with pytest.raises(InputError, match=r"degree .* is not allowed: give an integer from 1 to 60"):
        check_degree(degree)


@pytest.mark.parametrize("point", [(-1, 0), (0, -1), (3, 4), (7, 0)])
def test_point_index_refuses_points_outside(point):
    with pytest.raises(InputError, match="lies outside"):
        point_index(6, *point)


def test_points_are_read_only_because_they_are_shared():
    with pytest.raises(ValueError, match="read-only"):
        lattice_points(3)[0, 0] = 1
