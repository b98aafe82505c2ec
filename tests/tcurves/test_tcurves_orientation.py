"""Complex orientations of curves of type I."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import signed_triangulations, triangulations

from tasks.lattice import honeycomb, load_triangulations, num_points, random_flips
from tasks.records import InputError
from tasks.tcurves import (
    Scheme,
    affine_signs,
    as_signs,
    frontier_census,
    harnack_signs,
    real_scheme,
)
from tasks.tcurves.orientation import ComplexOrientation, complex_orientation, halves
from tasks.tcurves.twists import dividing_signs, dividing_type, maximal_signs


def named(name):
    [triangulation] = load_triangulations([name])
    return triangulation


def rokhlin_defect(orientation):
    """Left minus right side of Rokhlin's or Rokhlin-Mishachev's formula: 0 for every curve."""
    positive, negative = orientation.pairs
    k, odd = divmod(orientation.degree, 2)
    balance = 2 * (positive - negative) - len(orientation.parents) + k * (k + odd)
    return balance + (orientation.ovals[0] - orientation.ovals[1] if odd else 0)


def index_defect(orientation):
    """Integral of (2 index)^2 over the Euler characteristic (Viro) minus d^2: 0 for every curve."""
    holes = [orientation.parents.count(oval) for oval in range(-1, len(orientation.parents))]
    # Without J and its ovals the root is a projective plane or a disk with holes.
    terms = zip(orientation.doubled_indices, holes, strict=True)
    return sum((1 - hole) * index**2 for index, hole in terms) - orientation.degree**2


def complex_scheme(orientation):
    """Viro notation with signs: ``<9v1<1+>>``, ``<Jv5-v1+<1->>``.

    For d odd every oval carries its sign, for d even every oval inside others the sign of its
    pair with the outermost oval around it.
    """
    inside = signed_ovals(orientation, -1, 0)
    if orientation.degree % 2:
        return f"<Jv{inside}>" if inside else "<J>"
    return f"<{inside}>"


def signed_ovals(orientation, around, outermost):
    """The ovals directly inside one; `outermost` is the rotation of its outermost one."""
    trees = []
    for oval in (i for i, parent in enumerate(orientation.parents) if parent == around):
        rotation = orientation.rotations[oval]
        reference = 1 if orientation.degree % 2 else outermost
        sign = {0: "", rotation: "-", -rotation: "+"}[reference]
        trees.append((signed_ovals(orientation, oval, outermost or rotation), sign))
    trees.sort(key=lambda tree: (len(tree[0]), tree))
    parts = []
    for (inside, sign), number in Counter(trees).items():
        parts += [f"1{sign}<{inside}>"] * number if inside else [f"{number}{sign}"]
    return "v".join(parts)


@st.composite
def dividing_curves(draw, min_degree=1, max_degree=9):
    """Triangulations with signs of type I; every second one an M-curve."""
    triangulation = draw(triangulations(min_degree, max_degree))
    space = draw(st.sampled_from([dividing_signs, maximal_signs]))(triangulation)
    index = draw(st.integers(0, 2**space.dimension - 1))
    return triangulation, as_signs(triangulation.degree, space.element(index))


@settings(max_examples=60)
@given(dividing_curves())
def test_the_formulas_of_rokhlin_and_mishachev_hold(curve):
    orientation = complex_orientation(*curve)
    assert rokhlin_defect(orientation) == 0


@settings(max_examples=60)
@given(dividing_curves())
def test_the_square_of_the_index_integrates_to_a_quarter_of_the_squared_degree(curve):
    assert index_defect(complex_orientation(*curve)) == 0


@pytest.mark.parametrize("degree", [10, 11, 14, 17])
def test_the_formulas_hold_in_high_degree(degree):
    rng = np.random.default_rng(degree)
    triangulation = random_flips(honeycomb(degree), 20 * degree**2, rng)
    for space in (dividing_signs(triangulation), maximal_signs(triangulation)):
        orientation = complex_orientation(triangulation, space.random(rng))
        assert rokhlin_defect(orientation) == index_defect(orientation) == 0


@settings(max_examples=60)
@given(dividing_curves(2, 8))
def test_arnolds_congruence_holds_for_even_degree(curve):
    triangulation, signs = curve
    if triangulation.degree % 2 == 0:
        scheme = real_scheme(triangulation, signs)
        assert (scheme.p - scheme.n - (triangulation.degree // 2) ** 2) % 4 == 0


def forest_inside(orientation, around=-1):
    ovals = [i for i, parent in enumerate(orientation.parents) if parent == around]
    return tuple(forest_inside(orientation, oval) for oval in ovals)


@settings(max_examples=40)
@given(dividing_curves())
def test_the_ovals_of_an_orientation_are_those_of_the_scheme(curve):
    orientation = complex_orientation(*curve)
    is_odd = bool(orientation.degree % 2)
    scheme = Scheme.of(forest_inside(orientation), pseudo_line=is_odd)
    assert scheme == real_scheme(*curve)
    depths = [len(orientation.around(oval)) for oval in range(scheme.ovals)]
    assert sum(depth % 2 for depth in depths) == scheme.n
    assert sum(orientation.pairs) == sum(depths)


@settings(max_examples=40)
@given(dividing_curves())
def test_a_complex_scheme_without_its_signs_is_the_real_scheme(curve):
    text = complex_scheme(complex_orientation(*curve))
    unsigned = text.replace("+", "").replace("-", "").replace("<>", "<0>")
    assert Scheme.parse(unsigned) == real_scheme(*curve)


@settings(max_examples=40)
@given(signed_triangulations(1, 8))
def test_halves_exist_exactly_for_type_one(pair):
    assert (halves(*pair) is None) == (dividing_type(*pair) == "II")


@settings(max_examples=40)
@given(dividing_curves(1, 8), st.integers(0, 7))
def test_gauge_keeps_the_complex_scheme(curve, gauge):
    triangulation, signs = curve
    moved = signs ^ affine_signs(triangulation.degree, gauge & 1, gauge >> 1 & 1, gauge >> 2)
    expected = complex_scheme(complex_orientation(triangulation, signs))
    assert complex_scheme(complex_orientation(triangulation, moved)) == expected


@pytest.mark.parametrize(
    ("degree", "expected"),
    [
        (1, "<J>"),
        (2, "<1>"),
        (3, "<Jv1->"),
        (4, "<4>"),
        (5, "<Jv3+v3->"),
        (6, "<9v1<1+>>"),
        (7, "<Jv9+v6->"),
        (8, "<18v1<3+>>"),
    ],
)
def test_harnack_curves_have_the_classical_orientations(degree, expected):
    # d = 5 to 8: forced by the formulas, given the ovals and their inclusions.
    orientation = complex_orientation(honeycomb(degree), harnack_signs(degree))
    assert complex_scheme(orientation) == expected


@pytest.mark.parametrize("degree", range(2, 10))
def test_the_ovals_of_a_nest_turn_the_same_way(degree):
    # Projection from an inner point covers every oval of a hyperbolic curve in one direction.
    signs = np.zeros(num_points(degree), dtype=int)
    orientation = complex_orientation(honeycomb(degree), signs)
    k = degree // 2
    assert orientation.pairs == (0, k * (k - 1) // 2)
    assert orientation.doubled_indices == tuple(range(degree % 2, degree + 1, 2))


def test_the_sextics_have_the_orientations_of_rokhlins_list():
    found = set()
    for name in ("6_bat", "6_moth"):
        triangulation = named(name)
        space, rng = dividing_signs(triangulation), np.random.default_rng(0)
        words = [space.random(rng) for _ in range(200)]
        words += [maximal_signs(triangulation).random(rng) for _ in range(40)]
        found |= {complex_scheme(complex_orientation(triangulation, w)) for w in words}
    assert {
        "<9v1<1+>>",
        "<5v1<3+v2->>",
        "<1v1<5+v4->>",
        "<6v1<1+v1->>",
        "<2v1<3+v3->>",
        "<1<1-<1->>>",
    } <= found
    # Given the ovals, the formula leaves one orientation for each of the 14 schemes.
    assert max(Counter(s.replace("+", "").replace("-", "") for s in found).values()) == 1
    assert len(found) <= 14


def test_every_m_septic_of_a_census_satisfies_the_formula():
    triangulation = named("7_fra")
    census = frontier_census(triangulation, min_ovals=15)
    assert len(census.schemes) >= 5
    for row in census.schemes:
        orientation = complex_orientation(triangulation, row.witness)
        assert rokhlin_defect(orientation) == 0
        assert sum(orientation.ovals) == 15


def test_a_curve_of_type_two_has_no_complex_orientation():
    triangulation = honeycomb(6)
    signs = harnack_signs(6)
    signs[8] ^= 1
    assert dividing_type(triangulation, signs) == "II"
    with pytest.raises(InputError, match="type II"):
        complex_orientation(triangulation, signs)


def test_ovals_of_even_degree_have_no_signs_of_their_own():
    with pytest.raises(InputError, match="even"):
        complex_orientation(honeycomb(4), harnack_signs(4)).ovals  # noqa: B018


def test_one_wrong_rotation_violates_the_formulas():
    right = complex_orientation(honeycomb(7), harnack_signs(7))
    wrong = ComplexOrientation(
        7, right.parents, (-right.rotations[0], *right.rotations[1:]), right.doubled_indices
    )
    assert rokhlin_defect(right) == 0 != rokhlin_defect(wrong)
