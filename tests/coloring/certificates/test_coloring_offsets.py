"""The exact mask of offsets, against brute force in fractions."""

from fractions import Fraction
from itertools import product
from math import ceil, lcm

import numpy as np
import pytest
from exact_extents import gauge_extent, squared_extent
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.coloring import Lattice
from tasks.coloring.certificates.distances import Distance, Interval
from tasks.coloring.certificates.enumeration import points_between
from tasks.coloring.certificates.norms import Euclidean, PNorm, PolygonalNorm, norm_of
from tasks.coloring.certificates.numbers import Surd
from tasks.coloring.certificates.offsets import check_shape, conflict_offsets, residues
from tasks.records import InputError

HEXAGON = [(2, 0), (1, 2), (-1, 2), (-2, 0), (-1, -2), (1, -2)]
SQUARES = Lattice.parse([["1", "0"], ["0", "1"]])


def window(edges, low, high):
    """Offsets whose centers do not rule them out by the triangle inequality."""
    reach = np.linalg.norm(edges, axis=1).sum() + 1e-6
    sizes = np.ceil((high + reach) * np.linalg.norm(np.linalg.inv(edges), axis=0)).astype(int)
    box = np.array(list(product(*(range(-size, size + 1) for size in sizes))))
    lengths = np.linalg.norm(box @ edges, axis=1)
    return map(tuple, box[(lengths < high + reach) & (lengths > low - reach)].tolist())


def found(lattice, shape, interval, norm=None):
    return {tuple(map(int, d)) for d in conflict_offsets(lattice, shape, interval, norm)}


def by_squares(lattice, shape, interval):
    """The mask by squared extents from the Gram matrix of the cells, which must be rational."""
    cells = lattice.divided(shape)
    gram = [[entry.fraction for entry in row] for row in cells.gram]
    scale = lcm(*(entry.denominator for row in gram for entry in row))
    integers = [[int(scale * entry) for entry in row] for row in gram]
    low, high = (scale * bound.square.fraction for bound in (interval.low, interval.high))
    mask = set()
    for d in window(cells.floats, *interval.floats):
        least, greatest = squared_extent(integers, d)
        if least < high and greatest > low:
            mask.add(d)
    return mask


small = st.fractions(min_value=-2, max_value=2, max_denominator=6)
bound = st.fractions(min_value=Fraction(1, 4), max_value=Fraction(5, 4), max_denominator=8)
intervals = st.tuples(bound, bound).map(lambda pair: Interval.of(*sorted(pair)))


def lattices(n):
    rows = st.lists(st.tuples(*[small] * n), min_size=n, max_size=n)
    regular = rows.filter(lambda r: abs(np.linalg.det(np.array(r, dtype=float))) > 0.4)
    return regular.map(Lattice.parse)


@settings(max_examples=15, deadline=None)
@given(lattices(2), st.tuples(st.integers(1, 3), st.integers(1, 3)), intervals)
def test_the_mask_of_the_plane_is_that_of_brute_force(lattice, shape, interval):
    assert found(lattice, shape, interval) == by_squares(lattice, shape, interval)


@settings(max_examples=3, deadline=None)
@given(lattices(3), st.just(Interval.of("0.7", "0.8")))
def test_the_mask_of_space_is_that_of_brute_force(lattice, interval):
    assert found(lattice, (1, 1, 1), interval) == by_squares(lattice, (1, 1, 1), interval)


@pytest.mark.parametrize("interval", ["1", "5", "sqrt(2)", "1-5", "sqrt(8)-3", "2.5"])
def test_tight_cells_are_decided_exactly(interval):
    """Unit squares: edges and corners lie at distances 1, sqrt 2, 5 = |(3, 4)|, ..."""
    parsed = Interval.parse(interval)
    assert found(SQUARES, (1, 1), parsed) == by_squares(SQUARES, (1, 1), parsed)


def test_cells_that_touch_the_distance_do_not_hold_it():
    """Half-open unit squares at the offset (2, 0) are at all distances strictly above 1."""
    mask = found(SQUARES, (1, 1), Interval.of(1))
    assert (2, 0) not in mask and (2, 1) not in mask and (1, 0) in mask
    just_above = found(SQUARES, (1, 1), Interval.of("1.000000000000000000000000000001"))
    assert (2, 0) in just_above and (2, 1) in just_above
    assert (0, 0) in mask and (0, 0) not in found(SQUARES, (1, 1), Interval.parse("sqrt(2)"))


def test_tight_cells_in_space_are_decided_exactly():
    cubes = Lattice.parse([["1", "0", "0"], ["0", "1", "0"], ["0", "0", "1"]])
    for text in ("1", "sqrt(3)"):
        interval = Interval.parse(text)
        assert found(cubes, (1, 1, 1), interval) == by_squares(cubes, (1, 1, 1), interval)


def test_tight_cells_of_an_irrational_lattice_are_decided_exactly():
    """The hexagonal lattice has rational Gram matrices: its squares are decided without surds."""
    hexagonal = Lattice.parse([["1", "0"], ["1/2", ["0", "1/2"]]], 3)
    for text in ("1", "sqrt(3)", "sqrt(3/4)", "sqrt(1/3)-sqrt(7/4)"):
        interval = Interval.parse(text)
        assert found(hexagonal, (2, 3), interval) == by_squares(hexagonal, (2, 3), interval)


def test_a_lattice_and_its_distance_can_be_scaled_by_a_surd():
    """Then everything is irrational, and as tight as before."""
    factor = Surd.of(1, 1, 3)
    scaled = Lattice(tuple(tuple(factor * x for x in vector) for vector in SQUARES.vectors))
    for square in (1, 2, 5):
        distance = Distance.root(factor * factor * square)
        assert found(scaled, (1, 1), Interval(distance, distance)) == found(
            SQUARES, (1, 1), Interval.parse(f"sqrt({square})")
        )


balls = st.sampled_from([HEXAGON, [(1, 1), (-1, 1), (-1, -1), (1, -1)],
                         [(3, 1), (1, 2), (-3, -1), (-1, -2)]])  # fmt: skip


def inner_radius(ball):
    corners = np.array([*ball, ball[0]], dtype=float)
    steps = np.diff(corners, axis=0)
    areas = np.abs(corners[:-1, 0] * steps[:, 1] - corners[:-1, 1] * steps[:, 0])
    return (areas / np.linalg.norm(steps, axis=1)).min()


@settings(max_examples=6, deadline=None)
@given(lattices(2), st.just((1, 1)), intervals, balls)
def test_the_mask_of_a_polygonal_norm_is_that_of_brute_force(lattice, shape, interval, ball):
    edges = [[e.fraction for e in vector] for vector in lattice.divided(shape).vectors]
    low, high = interval.low.value.fraction, interval.high.value.fraction
    bounds = (float(low) * inner_radius(ball), float(high) * max(np.hypot(*u) for u in ball))
    expected = set()
    for d in window(np.array(edges, dtype=float), *bounds):
        least, greatest = gauge_extent(ball, edges, d)
        if least < high and greatest > low:
            expected.add(d)
    assert found(lattice, shape, interval, PolygonalNorm.of(ball)) == expected


def test_p_norms_of_1_and_2_are_the_polygonal_and_the_euclidean_one():
    lattice = Lattice.parse([["1.3", "0.4"], ["-0.2", "1.1"]])
    for p, norm in ((1, PolygonalNorm.diamond()), (2, Euclidean())):
        for text in ("1", "0.35-0.55"):
            args = (lattice, (3, 4), Interval.parse(text))
            assert found(*args, PNorm.of(p)) == found(*args, norm)


@pytest.mark.parametrize("p", ["3", "4/3", "1.01", "1000"])
def test_the_mask_of_a_p_norm_holds_what_dense_points_hold(p):
    """Norms on a fine grid over the parallelogram are realised; all others miss the distance."""
    lattice, norm = Lattice.parse([["1.3", "0.4"], ["-0.2", "1.1"]]), PNorm.of(p)
    edges = lattice.divided((3, 4)).floats
    mask = found(lattice, (3, 4), Interval.of("0.9", "1"), norm)
    s = np.stack(np.meshgrid(*[np.linspace(-1, 1, 61)] * 2), axis=-1).reshape(-1, 2)
    for d in window(edges, 0.6, 1.5):
        points = np.abs((s + d) @ edges)
        largest = np.maximum(points.max(axis=1), 1e-300)
        norms = largest * ((points / largest[:, None]) ** float(norm.p)).sum(axis=1) ** (
            1 / float(norm.p)
        )
        is_met = norms.min() < 1 and norms.max() > 0.9
        is_nearly_met = norms.min() < 1.04 and norms.max() > 0.86  # neighbors differ by less
        assert is_met <= (d in mask) <= is_nearly_met


@pytest.mark.parametrize("p", ["3", "7/2"])
def test_p_norms_decide_what_is_tight_along_an_axis(p):
    """Unit squares at (2, k) lie beyond 1 in every p-norm, and at the offset 0 within 2."""
    assert (2, 0) not in found(SQUARES, (1, 1), Interval.of(1), PNorm.of(p))
    half = found(SQUARES, (2, 2), Interval.of(1), PNorm.of(p))
    assert {(3, 0), (3, 1), (0, 3)}.isdisjoint(half) and {(2, 0), (0, 2)} <= half


def test_the_largest_published_grid_has_as_many_offsets_as_published():
    lattice = Lattice.parse([["-0.17407057", "3.8842025"], ["-3.48389", "1.8401014"]])
    mask = conflict_offsets(lattice, (1945, 1970), Interval.of(1))
    assert mask.shape == (9280, 2)
    assert (mask == -mask[::-1]).all()


def sheared(lattice, times):
    v, w = lattice.vectors
    return Lattice((v, tuple(y + times * x for x, y in zip(v, w, strict=True))))


def test_skewed_cells_are_decided_like_others():
    lattice = Lattice.parse([["0.5", "0.05"], ["-0.07", "0.6"]])
    assert lattice.reduced()[0] == sheared(lattice, 10**30).reduced()[0]
    skewed = sheared(lattice, 4)
    assert found(skewed, (1, 1), Interval.of(1)) == by_squares(skewed, (1, 1), Interval.of(1))
    with pytest.raises(InputError, match="rounder cells"):
        conflict_offsets(sheared(lattice, 10**7), (1, 1), Interval.of(1))


@settings(max_examples=10, deadline=None)
@given(lattices(2), st.floats(0, 2), st.floats(0, 1))
def test_points_between_spheres_are_all_points_there(lattice, inner, more):
    basis, _ = lattice.reduced()
    points = points_between(basis.floats, inner, inner + more)
    assert len(np.unique(points, axis=0)) == len(points)
    size = ceil(3.1 / np.linalg.svd(basis.floats, compute_uv=False).min())
    box = np.stack(np.meshgrid(*[np.arange(-size, size + 1)] * 2), axis=-1).reshape(-1, 2)
    lengths = np.linalg.norm(box @ basis.floats, axis=1)
    inside = {tuple(e) for e in box[(lengths >= inner) & (lengths <= inner + more)].tolist()}
    near = {
        tuple(e) for e in box[(lengths > inner - 1e-6) & (lengths < inner + more + 1e-6)].tolist()
    }
    assert inside <= {tuple(e) for e in points.tolist()} <= near


def test_masks_are_kept_and_cannot_be_changed():
    first = conflict_offsets(SQUARES, [4, 4], Interval.of(1))
    assert conflict_offsets(SQUARES, (4, np.int64(4)), Interval.of("1.0")) is first
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 0


def test_residues_are_offsets_modulo_the_shape():
    offsets = np.array([[0, 0], [3, 4], [-3, 1], [1, -1]])
    assert residues(offsets, (3, 4)).tolist() == [0, 1, 7]


@pytest.mark.parametrize("shape", [(), (3,), (3, 4, 5), (0, 3), (-1, 3), (2.5, 3), ("3", 3)])
def test_shapes_that_do_not_fit_are_refused(shape):
    with pytest.raises(InputError, match="2 positive numbers"):
        check_shape(shape, 2)
    with pytest.raises(InputError, match="at most"):
        check_shape((2**15, 2**14), 2)


def test_cells_that_are_beyond_floats_are_refused():
    for factor in (f"1{'0' * 200}", f"1/1{'0' * 200}"):
        lattice = Lattice.parse([[factor, "0"], ["0", factor]])
        with pytest.raises(InputError, match="cells"):
            conflict_offsets(lattice, (2, 2), Interval.of(1))


@pytest.mark.parametrize(
    "record",
    [None, "l2", {"p": "1/2"}, {"p": "x"}, {"p": 3}, {"ball": []}, {"ball": [["1", "0"]] * 4},
     {"ball": [["1", "1"], ["1", "-1"], ["-1", "-1"], ["-1", "1"]]},
     {"ball": [["1", "0"], ["1/2", "1/2"], ["0", "1"], ["-1", "0"], ["-1/2", "-1/2"], ["0", "-1"]]},
     {"ball": [["1", "0"], ["0", "1"], ["-1", "0"], ["0", "-2"]]}, {"p": "3", "q": "1"}],
)  # fmt: skip
def test_what_is_not_a_norm_is_refused(record):
    with pytest.raises(InputError, match=r"norm|ball|number"):
        norm_of(record)


def test_records_of_norms_are_read_back():
    for norm in (Euclidean(), PolygonalNorm.of(HEXAGON), PNorm.of("7/3")):
        assert norm_of(norm.record()) == norm


def test_norms_are_for_their_dimensions():
    cube = Lattice.parse([["1", "0", "0"], ["0", "1", "0"], ["0", "0", "1"]])
    for norm in (PolygonalNorm.maximum(), PNorm.of(3), PNorm.of(1)):
        with pytest.raises(InputError, match="for the plane"):
            conflict_offsets(cube, (2, 2, 2), Interval.of(1), norm)
    with pytest.raises(InputError, match="for the Euclidean norm"):
        conflict_offsets(SQUARES, (4, 4), Interval.parse("sqrt(2)"), PolygonalNorm.maximum())
