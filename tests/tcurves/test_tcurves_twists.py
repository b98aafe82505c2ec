"""Components by rank, dividing types, and the sign spaces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import signed_triangulations, triangulations

from tasks.lattice import honeycomb, lattice_points, load_triangulations, num_points, random_flips
from tasks.records import InputError
from tasks.tcurves import (
    canonical_signs,
    exhaustive_census,
    frontier_census,
    genus,
    harnack_bound,
    harnack_signs,
    is_maximal,
    num_sign_classes,
    real_scheme,
)
from tasks.tcurves.signs import as_signs, as_word
from tasks.tcurves.twists import (
    DividingType,
    component_matrix,
    dividing_signs,
    dividing_type,
    edge_twists,
    interior_points,
    maximal_signs,
    num_components_by_rank,
    rank_over_f2,
)

# Schemes of sextics of type I: the 64 rigid isotopy classes are 14 of type I and 50 of type II.
ALWAYS_DIVIDING_SEXTICS = ["<9v1<1>>", "<5v1<5>>", "<1v1<9>>", "<6v1<2>>", "<2v1<6>>", "<1<1<1>>>"]
SOMETIMES_DIVIDING_SEXTICS = ["<9>", "<4v1<4>>", "<1<8>>", "<5v1<1>>", "<3v1<3>>", "<1v1<5>>"]
SOMETIMES_DIVIDING_SEXTICS += ["<2v1<2>>", "<1<4>>"]
DIVIDING_SEXTICS = {*ALWAYS_DIVIDING_SEXTICS, *SOMETIMES_DIVIDING_SEXTICS}


def named(name):
    [triangulation] = load_triangulations([name])
    return triangulation


def is_connected(num_nodes, pairs):
    reached, queue = {0}, [0]
    neighbors = {}
    for u, v in pairs:
        neighbors.setdefault(u, []).append(v)
        neighbors.setdefault(v, []).append(u)
    for node in queue:
        new = set(neighbors.get(node, ())) - reached
        reached |= new
        queue += new
    return len(reached) == num_nodes


def strips(triangulation, twists):
    """The surface CC minus the real curve: halves (t, 0), (t, 1) and the strips between them."""
    number = {tuple(t): i for i, t in enumerate(triangulation.triangles.tolist())}
    for (a, b, c, f), twist in zip(triangulation.interior_edges.tolist(), twists, strict=True):
        t, u = (number[tuple(sorted((a, b, x)))] for x in (c, f))
        for half in (0, 1):
            yield 2 * t + half, 2 * u + (half ^ int(twist))


@settings(max_examples=40)
@given(signed_triangulations(2, 8))
def test_an_edge_is_twisted_if_the_curve_changes_sides_along_it(pair):
    triangulation, signs = pair
    x, y = lattice_points(triangulation.degree).T
    twists = edge_twists(triangulation, signs)
    for (a, b, c, f), twist in zip(triangulation.interior_edges.tolist(), twists, strict=True):
        for e1, e2 in ((0, 0), (1, 0), (0, 1), (1, 1)):
            color = (signs + e1 * x + e2 * y) % 2
            if color[a] != color[b]:
                assert (color[c] != color[f]) == twist


@pytest.mark.parametrize("degree", range(1, 11))
def test_the_rank_gives_the_number_of_components_of_thousands_of_curves(degree):
    rng = np.random.default_rng(degree)
    for _ in range(20):
        triangulation = random_flips(honeycomb(degree), int(rng.integers(20 * degree**2)), rng)
        for _ in range(12):
            signs = rng.integers(0, 2, triangulation.num_points)
            components = real_scheme(triangulation, signs).components
            assert num_components_by_rank(triangulation, signs) == components


@settings(max_examples=50)
@given(signed_triangulations(1, 8))
def test_the_component_matrix_is_symmetric_with_a_row_per_interior_point(pair):
    rows = component_matrix(*pair)
    degree = pair[0].degree
    assert len(rows) == len(interior_points(degree)) == genus(degree)
    assert all((rows[i] >> j & 1) == (rows[j] >> i & 1) for i in range(len(rows)) for j in range(i))


@settings(max_examples=60)
@given(signed_triangulations(1, 8), st.data())
def test_type_one_means_that_the_complex_curve_falls_apart(pair, data):
    triangulation, signs = pair
    if data.draw(st.booleans()):
        space = dividing_signs(triangulation)
        signs = as_signs(triangulation.degree, space.element(data.draw(indices(space))))
    pairs = list(strips(triangulation, edge_twists(triangulation, signs)))
    falls_apart = not is_connected(2 * triangulation.degree**2, pairs)
    assert (dividing_type(triangulation, signs) == "I") == falls_apart


def indices(space):
    return st.integers(0, 2**space.dimension - 1)


@settings(max_examples=40)
@given(triangulations(1, 9))
def test_harnack_curves_are_of_type_one(triangulation):
    signs = harnack_signs(triangulation.degree)
    assert dividing_type(triangulation, signs) is DividingType.I
    assert set(component_matrix(triangulation, signs)) <= {0}


@pytest.mark.parametrize("degree", range(1, 10))
def test_the_deepest_nests_are_of_type_one(degree):
    # Hyperbolic curves: the pencil of lines through the innermost oval covers the half-plane.
    signs = np.zeros(num_points(degree), dtype=int)
    assert dividing_type(honeycomb(degree), signs) == "I"


@pytest.mark.parametrize("name", ["6_bat", "6_moth", "6_honeycomb", "7_fra", "7_cen", "7_spl"])
def test_witnesses_of_a_census_have_possible_types(name):
    triangulation = named(name)
    degree = triangulation.degree
    kinds = {}
    for row in frontier_census(triangulation).schemes:
        kind = dividing_type(triangulation, row.witness)
        kinds.setdefault((harnack_bound(degree) - row.scheme.components, kind), []).append(row)
        assert num_components_by_rank(triangulation, row.witness) == row.scheme.components
        if kind == "I" and degree == 6:
            assert (row.scheme.p - row.scheme.n - 9) % 4 == 0  # Arnold's congruence
    # Klein: a curve of type I has as many components as an M-curve, up to an even number.
    assert all(deficiency % 2 == 0 for deficiency, kind in kinds if kind == "I")
    assert (0, DividingType.I) in kinds
    assert (0, DividingType.II) not in kinds


@pytest.mark.parametrize("degree", [2, 3, 4])
def test_sign_spaces_are_all_sign_classes_of_their_kind(degree):
    triangulation = random_flips(honeycomb(degree), 100, np.random.default_rng(degree))
    dividing, maximal = dividing_signs(triangulation), maximal_signs(triangulation)
    classes = {as_word(canonical_signs(degree, w)) for w in range(2 ** num_points(degree))}
    assert len(classes) == num_sign_classes(degree)
    of_type_one = {w for w in classes if dividing_type(triangulation, w) == "I"}
    of_m_curves = {w for w in classes if is_maximal(real_scheme(triangulation, w), degree)}
    for space, expected in ((dividing, of_type_one), (maximal, of_m_curves)):
        assert {space.element(i) for i in range(2**space.dimension)} == expected


@settings(max_examples=60)
@given(triangulations(1, 10), st.integers(0, 2**32))
def test_sign_spaces_hold_what_they_promise(triangulation, seed):
    rng = np.random.default_rng(seed)
    degree = triangulation.degree
    dividing, maximal = dividing_signs(triangulation), maximal_signs(triangulation)
    assert dividing.dimension >= max(3 * degree - 3, maximal.dimension)
    assert dividing_type(triangulation, dividing.random(rng)) == "I"
    assert is_maximal(real_scheme(triangulation, maximal.random(rng)), degree)


@pytest.mark.parametrize("name", ["5_honeycomb", "4_honeycomb"])
def test_the_space_of_m_curves_has_the_size_that_the_census_counts(name):
    triangulation = named(name)
    rows = exhaustive_census(triangulation).schemes
    maximal = sum(r.count for r in rows if is_maximal(r.scheme, triangulation.degree))
    assert 2 ** maximal_signs(triangulation).dimension == maximal


def test_sextics_of_type_one_have_exactly_the_fourteen_schemes_of_rokhlin():
    rng = np.random.default_rng(0)
    found = set()
    for name in ("6_bat", "6_moth", "6_honeycomb"):
        space = dividing_signs(named(name))
        words = (space.random(rng) for _ in range(1500))
        found |= {str(real_scheme(named(name), word)) for word in words}
    assert found == DIVIDING_SEXTICS
    assert len(found) == 14


@settings(max_examples=60)
@given(signed_triangulations(6, 6))
def test_sextics_outside_the_list_are_of_type_two(pair):
    scheme = str(real_scheme(*pair))
    if scheme in ALWAYS_DIVIDING_SEXTICS:
        assert dividing_type(*pair) == "I"
    if scheme not in DIVIDING_SEXTICS:
        assert dividing_type(*pair) == "II"


@given(st.lists(st.integers(0, 255), max_size=10))
def test_the_rank_counts_the_span(rows):
    span = {0}
    for row in rows:
        span |= {row ^ other for other in span}
    assert 2 ** rank_over_f2(rows) == len(span)


def test_an_index_outside_a_sign_space_is_refused():
    space = maximal_signs(honeycomb(6))
    with pytest.raises(InputError, match="not allowed"):
        space.element(2**space.dimension)


def test_types_explain_themselves():
    assert "two halves" in DividingType.I.explanation
