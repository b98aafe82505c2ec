from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import triangulations

from tasks.lattice import InvalidTriangulation, Triangulation, honeycomb
from tasks.records.errors import InputError

SQUARE = [[0, 1, 3], [1, 3, 4], [1, 2, 4], [3, 4, 5]]


@pytest.mark.parametrize(
    ("triangles", "message"),
    [
        ("0 1 3", "triangles must be a list of triples of point indices, not '0 1 3'"),
        (None, "triangles must be a list of triples"),
        ([], "the list of triangles is empty"),
        ([[0, 1]], r"triangle 0 is \[0, 1\]: give three integer point indices"),
        ([*SQUARE[:3], [3, 4, 5.0]], "triangle 3 is .*: give three integer point indices"),
        ([*SQUARE[:3], [3, 4, True]], "triangle 3 is .*: give three integer point indices"),
        ([*SQUARE[:3], 5], "triangle 3 is 5: give three integer"),
        ([*SQUARE[:3], "345"], "triangle 3 is '345': give three integer"),
        ([*SQUARE[:3], [3, 4, 6]], "triangle 3 names point 6, but degree 2 has the points 0 to 5$"),
        ([*SQUARE[:3], [3, 4, 2**31]], "triangle 3 names point 2147483648, but degree 2"),
        ([*SQUARE[:3], [3, 4, 10**40]], f"triangle 3 names point 1{'0' * 40}, .* points 0 to 5$"),
        ([*SQUARE[:3], [3, 4, 10**398]], r"names point 10{19}\.\.\. \(399 digits\), but degree 2"),
        pytest.param(
            [*SQUARE[:3], [3, 4, 10**5000]],
            "names point an integer too large to show, but degree 2",
            id="beyond printing",
        ),
        ([*SQUARE[:3], [3, 4, -1]], "triangle 3 names the negative index -1, but"),
        ([*SQUARE[:3], [3, 4, -(10**400)]], r"negative index -10{18}\.\.\. \(401 digits\), but"),
        ([*SQUARE[:3], [4, 3, 1]], "triangles 1 and 3 overlap: both are {1, 3, 4}"),
        (
            [*SQUARE[:3], [3, 3, 5]],
            r"not unimodular: triangle 3 = {3, 3, 5} .* has area 0 \(it is degenerate\), not 1/2",
        ),
        (
            [[0, 1, 2], *SQUARE[1:]],
            r"triangle 0 = {0, 1, 2} with points \(0,0\), \(0,1\), \(0,2\) has area 0",
        ),
        (
            [[0, 2, 3], [2, 3, 4], [3, 4, 5]],
            r"not unimodular: triangle 0 = .* has area 1, .*; point 1 = \(0,1\) is used by no",
        ),
        (SQUARE[:3], r"point 5 = \(2,0\) is used by no triangle: .* uses all 6 lattice points"),
        (SQUARE[:1], r"point 2 = \(0,2\) is used by no triangle \(and 2 more\)"),
        ([[0, 1, 3], *SQUARE[2:]], "3 triangles were given, but .* degree 2 has 4"),
        (
            [[0, 1, 3], [0, 3, 4], [1, 2, 4], [3, 4, 5]],
            r"triangle 0 = {0, 1, 3} .* and triangle 1 = {0, 3, 4} .* overlap",
        ),
    ],
)
def test_each_defect_has_a_one_line_message(triangles, message):
    with pytest.raises(InvalidTriangulation, match=message) as caught:
        Triangulation.of(2, triangles)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("degree", "message"),
    [
        (7, "36 triangles were given, but .* degree 7 has 49; 36 is the number for degree 6"),
        (5, "names point .*degree 5 has the points 0 to 20; 36 triangles .* for degree 6"),
        (0, "degree 0 is not allowed"),
        (10**398, r"degree 10{19}\.\.\. \(399 digits\) is not allowed"),
        pytest.param(10**5000, "degree an integer too large to show is", id="beyond printing"),
        ("6", "degree '6' is not allowed"),
    ],
)
def test_a_wrong_degree_is_recognized(degree, message):
    with pytest.raises(InputError, match=message):
        Triangulation.of(degree, honeycomb(6).triangles)


def test_errors_are_input_errors_and_value_errors():
    assert issubclass(InvalidTriangulation, InputError)
    assert issubclass(InvalidTriangulation, ValueError)


def test_a_doubly_covered_part_is_found_although_the_total_area_is_right():
    # In the unit square at the origin, both triangles have the left side {0, 1}.
    triangles = honeycomb(3).triangles.tolist()
    triangles[triangles.index([1, 4, 5])] = [0, 1, 5]
    with pytest.raises(InvalidTriangulation, match=r"{0, 1, 4} .* and .* {0, 1, 5} .* overlap"):
        Triangulation.of(3, triangles)


@given(triangulations(min_degree=2, max_degree=6), st.data())
def test_replacing_one_triangle_by_another_unimodular_one_is_always_refused(T, data):
    rows = T.triangles.tolist()
    index = data.draw(st.integers(0, len(rows) - 1))
    points = st.integers(0, T.num_points - 1)
    other = data.draw(st.lists(points, min_size=3, max_size=3, unique=True).map(sorted))
    if other != rows[index]:
        with pytest.raises(InvalidTriangulation):
            Triangulation.of(T.degree, [*rows[:index], other, *rows[index + 1 :]])


@given(triangulations(max_degree=6), st.randoms(use_true_random=False))
def test_any_order_of_triangles_and_vertices_is_accepted(T, random):
    rows = [random.sample(row, 3) for row in T.triangles.tolist()]
    random.shuffle(rows)
    assert Triangulation.of(T.degree, rows) == T


@pytest.mark.parametrize(
    ("given_weights", "expected"),
    [
        ([0, 1, 4, 1, 3, 4], (0, 1, 4, 1, 3, 4)),
        ([0.0, 1.0, 4.0, 1, 3, 4], (0, 1, 4, 1, 3, 4)),
        (np.array([0, 1, 4, 1, 3, 4], dtype=np.uint8), (0, 1, 4, 1, 3, 4)),
        (["0", "1/2", 2, "1/3", "3/2", "0.5"], (0, 3, 12, 2, 9, 3)),
        ([Fraction(1, 2)] * 6, (1,) * 6),
        ([10**40, -(10**40), 0, 0, 0, 0], (10**40, -(10**40), 0, 0, 0, 0)),
    ],
)
def test_weights_become_integers_with_a_common_factor(given_weights, expected):
    made = Triangulation.of(2, SQUARE, weights=given_weights)
    assert made.weights == expected
    assert all(type(weight) is int for weight in made.weights)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0] * 5, "5 weights were given, but degree 2 has 6 lattice points"),
        ([0.5] * 6, 'weight 0 is 0.5: weights are integers or exact fractions .* "3/2"'),
        ([0, 0, 0, 0, 0, float("nan")], "weight 5 is nan"),
        ([0, 0, 0, 0, 0, float("inf")], "weight 5 is inf"),
        ([0, 0, 0, 0, 0, None], "weight 5 is None"),
        ([0, 0, 0, 0, 0, True], "weight 5 is True"),
        ([0, 0, 0, 0, 0, [1]], r"weight 5 is \[1\]"),
        (["1/0"] * 6, "weight 0 is '1/0'"),
        (["1e999999999"] * 6, "weight 0 is '1e999999999'"),
        (["x" * 1000] * 6, "weight 0 is 'xxx.*\\.\\.\\.: weights are integers"),
        ("014134", "weights must be a list of integers, not '014134'"),
        (7, "weights must be a list of integers, not 7"),
    ],
)
def test_wrong_weights_are_refused_by_index(weights, message):
    with pytest.raises(InvalidTriangulation, match=message):
        Triangulation.of(2, SQUARE, weights=weights)
