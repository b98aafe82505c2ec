"""Offsets, bit sets and forms of the second checker against brute force and each other."""

import itertools
import math
import random
from fractions import Fraction as Q

import checker_examples as examples
import coloring_oracles as oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.coloring.checker import bits, check, walks
from tasks.coloring.checker.bodies import parallelepiped
from tasks.coloring.checker.norm_parsing import parse_norm
from tasks.coloring.checker.numbers import (
    Surd,
)
from tasks.coloring.checker.offsets import Run, Setting
from tasks.coloring.checker.residues import Residues
from tasks.coloring.checker.vectors import combination, determinant

small = st.integers(-6, 6)


# --- offsets ------------------------------------------------------------------------------------


def expanded(runs):
    """All offsets of half of them."""
    half = {d for run in runs for d in run.offsets()}
    return half | {tuple(-x for x in d) for d in half}


def runs_of(setting, low, high):
    return setting.conflict_runs(low, high, walks.Budget(10**6, "offsets"))


def setting_of(vectors, *, norm="euclidean", is_closed=False):
    return Setting(
        vectors, parallelepiped(vectors).scaled(1), parse_norm(norm, None, len(vectors)), is_closed
    )


vectors_2 = st.lists(st.tuples(small, small), min_size=2, max_size=2).filter(determinant)
vectors_3 = st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=3, max_size=3).filter(
    determinant
)


@settings(deadline=None, max_examples=30)
@given(vectors_2, st.integers(1, 80), st.integers(0, 60))
def test_offsets_of_the_plane_are_those_of_brute_force(vectors, low, width):
    longest = max(sum(x * x for x in w) for w in vectors)
    reach = 3 + int(math.sqrt(low + width) * math.sqrt(longest) / abs(determinant(vectors))) + 1
    if reach < 14:
        expected = oracles.conflict_offsets(
            [[Q(x) for x in w] for w in vectors], low, low + width, reach
        )
        assert expanded(runs_of(setting_of(vectors), low, low + width)) == expected


@pytest.mark.parametrize(
    ("vectors", "low", "high"),
    [
        ([(2, 0, 1), (0, 3, 1), (1, -1, 2)], 16, 16),
        ([(1, 1, 0), (-1, 2, 0), (0, 1, 2)], 6, 8),
        ([(2, 0, 0), (0, 2, 0), (0, 0, 1)], 8, 8),
    ],
)
def test_offsets_of_space_are_those_of_brute_force(vectors, low, high):
    expected = oracles.conflict_offsets(vectors, low, high, 6)
    assert expanded(runs_of(setting_of(vectors), low, high)) == expected


@pytest.mark.parametrize("norm", examples.NORMS)
def test_offsets_of_rotated_squares_hold_the_distances_that_samples_show(norm):
    vectors = [(5, 2), (-1, 4)]
    runs = runs_of(
        setting_of(vectors, norm=norm), *(1600, 1600) if norm == "euclidean" else (40, 40)
    )
    found = expanded(runs)
    edges = [(s, t) for s in (-1, 1) for t in (-1, -0.5, 0, 0.5, 1)]
    around = [*edges, *((t, s) for s, t in edges)]
    held = 0
    for d in itertools.product(range(-13, 14), range(14)):
        sizes = [
            oracles.norm_value(norm, *oracles.combined((d[0] + s, d[1] + t), vectors))
            for s, t in around
        ]
        if min(sizes) < 40 - 1e-9 and max(sizes) > 40 + 1e-9:
            assert d in found
            held += 1
        elif d in found:
            # Near the middle of a side the norm is a little smaller than at the samples.
            assert abs(min(sizes) - 40) < 0.7
    assert held > 30


def test_surds_give_the_offsets_of_rational_numbers():
    vectors = [(3, 1), (-1, 4)]
    turned = [tuple(x * Surd(0, 1, 2) for x in w) for w in vectors]
    for low, high in ((10, 10), (150, 200)):
        rational = runs_of(setting_of(vectors), low, high)
        assert runs_of(setting_of(turned), 2 * low, 2 * high) == rational
        assert rational != runs_of(setting_of(turned), 2 * low, 2 * high + 40)


@settings(deadline=None)
@given(vectors_2, st.tuples(small, small), st.integers(0, 20))
def test_walks_visit_what_is_in_a_disc(vectors, base, radius):
    walk = walks.Walk.of(vectors, 0)
    budget = walks.Budget(10**6, "rows")
    found = {
        (*prefix, x): first <= x <= last
        for prefix, (start, end), (first, last) in walk.rows(base, radius, radius // 2, budget)
        for x in range(start, end + 1)
    }
    assert walk.slack(radius) == 0
    for i in range(-12, 13):
        for j in range(-12, 13):
            x, y = (u + v for u, v in zip(base, combination((i, j), vectors), strict=True))
            assert ((i, j) in found) == (x * x + y * y <= radius**2)
            assert found.get((i, j), False) == (x * x + y * y <= (radius // 2) ** 2)


# --- bit sets -----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_bit_sets_find_a_pair_iff_there_is_one(data):
    shape = data.draw(st.lists(st.integers(1, 5), min_size=2, max_size=3))
    cells = math.prod(shape)
    grid = bytes(data.draw(st.lists(st.sampled_from([0, 1, 255]), min_size=cells, max_size=cells)))
    run = st.tuples(
        st.tuples(*[st.integers(-7, 7)] * (len(shape) - 1)), st.integers(-9, 9), st.integers(0, 6)
    )
    runs = [Run(p, first, first + n) for p, first, n in data.draw(st.lists(run, max_size=3))]
    wanted = bits.residues(runs, shape)
    padding = bits.Padding.of(shape, wanted)
    expected = oracles.has_conflict(
        grid.replace(b"\1", b"\xff"), shape, [d for r in runs for d in r.offsets()]
    )
    pair = bits.first_pair(grid, 0, wanted, padding, bits.Budget(10**9, "bits"))
    assert (pair is not None) == expected
    if pair:
        places = list(itertools.product(*map(range, shape)))
        cell, residue = pair
        other = tuple((x + d) % m for x, d, m in zip(cell, residue, shape, strict=True))
        assert grid[places.index(cell)] == grid[places.index(other)] == 0


@settings(deadline=None)
@given(vectors_3, st.tuples(*[st.integers(-50, 50)] * 3), st.tuples(small, small, small))
def test_residues_are_equal_iff_the_difference_is_in_the_sublattice(rows, offset, coefficients):
    residues = Residues.of(rows)
    same = tuple(x + y for x, y in zip(offset, combination(coefficients, rows), strict=True))
    assert residues.of_offset(same) == residues.of_offset(offset)
    assert math.prod(row[k] for k, row in enumerate(residues.rows)) == abs(determinant(rows))
    box = itertools.product(*(range(row[k]) for k, row in enumerate(residues.rows)))
    assert residues.of_offset(offset) in set(box)


# --- forms against each other -------------------------------------------------------------------


def greedy_grid(draw, shape, colors, offsets):
    """A coloring without conflicts: every cell gets a color that it may have, or is removed."""
    grid = [255] * math.prod(shape)
    places = list(itertools.product(*map(range, shape)))
    draw.shuffle(places)
    for place in places:
        index = 0
        for x, m in zip(place, shape, strict=True):
            index = index * m + x
        for color in draw.sample(range(colors), colors):
            grid[index] = color
            if not oracles.has_conflict(
                bytes(c if c == color else 255 for c in grid), shape, offsets
            ):
                break
            grid[index] = 255
    return grid


@pytest.mark.parametrize("seed", range(3))
def test_greedy_colorings_are_valid_and_one_more_cell_is_named(seed):
    draw = random.Random(seed)
    shape = [(6, 5), (5, 7), (4, 4, 4)][seed]
    n = len(shape)
    low = Q(9, 10) if n == 2 else Q(19, 20)
    side = 31 if n == 2 else 39
    lattice = [[Q(draw.randint(-1, 1) + side * (i == j), 20) for j in range(n)] for i in range(n)]
    vectors = [[x / m for x in row] for row, m in zip(lattice, shape, strict=True)]
    offsets = oracles.conflict_offsets(vectors, low**2, Q(1), 8 if n == 2 else 5)
    grid = greedy_grid(draw, shape, 3, offsets)
    record = examples.cells(shape, grid, lattice, 3)
    low = str(low)
    record["forbidden"] = [[[low, "1"]], [[low, "0.97"], ["0.97", "1"]], [[low, "1.0"]]]
    verdict = check(examples.written(record))
    assert verdict.state == "valid"
    assert verdict.details["offsets"] == len(offsets)
    assert 0 < grid.count(255) < len(grid)
    for index in draw.sample([k for k, c in enumerate(grid) if c == 255], 2):
        more = [*grid[:index], 1, *grid[index + 1 :]]
        assert oracles.has_conflict(bytes(more), shape, offsets)
        verdict = check(examples.written(examples.with_grid(record, shape, more)))
        place = list(itertools.product(*map(range, shape)))[index]
        assert verdict.state == "invalid"
        assert verdict.reason.startswith("color 1: cells ") and str(place) in verdict.reason


def shapes_of(grid, shape):
    """Cells in groups of one color: an L of three, a pair along a row, or one alone."""
    left = dict(zip(itertools.product(*map(range, shape)), grid, strict=True))
    for i, j in list(left):
        for group in ([(i, j), (i, j + 1), (i + 1, j)], [(i, j), (i, j + 1)], [(i, j)]):
            if len({left.get(place, -1) for place in group}) == 1 and (i, j) in left:
                yield left[i, j], group
                for place in group:
                    del left[place]
                break


def outline(i, j, count):
    """The corners of a group that begins at a cell, in steps along the two axes."""
    if count < 3:
        return [(i, j), (i + 1, j), (i + 1, j + count), (i, j + count)]
    return [(i, j), (i + 2, j), (i + 2, j + 1), (i + 1, j + 1), (i + 1, j + 2), (i, j + 2)]


def as_polygons(record, shape, groups):
    """The same coloring of the plane by polygons."""
    lattice = [[Q(x) for x in row] for row in record["lattice"]]
    steps = [[x / m for x in row] for row, m in zip(lattice, shape, strict=True)]
    tiles = []
    for color, group in groups:
        points = [oracles.combined(corner, steps) for corner in outline(*group[0], len(group))]
        tiles.append((None if color == 255 else color, points))
    made = examples.polygons(tiles, lattice, record["forbidden"], record["removed"])
    return made | {"norm": record["norm"]}


def scattered(draw, shape, colors):
    """A grid with an L, a pair or a cell of every color."""
    grid = [255] * math.prod(shape)
    for color in range(colors):
        i, j = draw.randrange(shape[0] - 1), draw.randrange(shape[1] - 1)
        for a, b in [(0, 0), (0, 1), (1, 0)][: draw.randint(1, 3)]:
            grid[(i + a) * shape[1] + j + b] = color
    return grid


@pytest.mark.parametrize("norm", examples.NORMS)
def test_cells_and_polygons_of_one_coloring_are_decided_alike(norm):
    states = set()
    for seed in range(8):
        draw = random.Random(seed)
        shape = (draw.randint(4, 5), draw.randint(4, 5))
        lattice = [[Q(draw.randint(-2, 2) + 22 * (i == j), 10) for j in range(2)] for i in range(2)]
        grid = scattered(draw, shape, 2)
        distance = draw.choice(["1", "3/4", "5/4"])
        record = examples.cells(shape, grid, lattice, 2, norm=norm, distance=distance)
        apart = [(color, [place]) for color, group in shapes_of(grid, shape) for place in group]
        verdicts = [
            check(examples.written(record)),
            check(examples.written(as_polygons(record, shape, apart))),
            check(examples.written(as_polygons(record, shape, list(shapes_of(grid, shape))))),
        ]
        assert len({verdict.state for verdict in verdicts}) == 1, verdicts
        states.add(verdicts[0].state)
    assert states == {"valid", "invalid"}


def test_cubes_are_the_voronoi_cells_of_their_centers():
    states = set()
    for seed in range(8):
        draw = random.Random(seed)
        shape, side = (3, 3, 3), Q(3, 5)
        places = list(itertools.product(*map(range, shape)))
        grid = [255] * 27
        for color in (0, 1):
            grid[draw.randrange(27)] = color
        lattice = [[side * m * (i == j) for j in range(3)] for i, m in enumerate(shape)]
        distance = draw.choice(["1.1", "0.5", "1.05", "1.2"])
        record = examples.cells(shape, grid, lattice, 2, distance=distance)
        other = {key: value for key, value in record.items() if key != "cells"} | {
            "form": "voronoi",
            "voronoi": {
                "basis": [[str(side * (i == j)) for j in range(3)] for i in range(3)],
                "period": [[m * (i == j) for j in range(3)] for i, m in enumerate(shape)],
                "tiles": [
                    [None if color == 255 else color, list(place)]
                    for color, place in zip(grid, places, strict=True)
                ],
            },
        }
        one, two = (check(examples.written(r)) for r in (record, examples.sealed(other)))
        assert one.state == two.state
        assert one.details.get("offsets") == two.details.get("offsets")
        states.add(one.state)
    assert states == {"valid", "invalid"}


def test_squares_are_the_voronoi_cells_of_their_centers_in_any_norm():
    record = {key: value for key, value in examples.squares().items() if key != "cells"} | {
        "form": "voronoi",
        "voronoi": {
            "basis": [["1", "0"], ["1", "1"]],
            "period": [[2, 0], [-2, 2]],
            "tiles": [[2 * j + i, [i - j, j]] for i in (0, 1) for j in (0, 1)],
        },
    }
    for norm, low, high in (
        (examples.MAX_NORM, "1", "1"),
        ("euclidean", "1.4142135624", "1.5"),
        (examples.HEXAGON, "1", "1"),
        ({"p": "1"}, "2", "1"),
        ({"p": "4"}, "1.19", "1"),
    ):
        forbidden = [[[low, max(low, high)]]] * 4
        changed = examples.sealed(record | {"norm": norm, "forbidden": forbidden})
        cells = examples.squares() | {"norm": norm, "forbidden": forbidden}
        one, two = (check(examples.written(r)) for r in (changed, cells))
        assert (one.state, one.details.get("offsets")) == (two.state, two.details.get("offsets"))
        assert one.state == ("valid" if norm == examples.MAX_NORM else "invalid")


def test_the_distances_between_hexagons_of_a_triangular_lattice_are_sharp():
    record = examples.triangular()
    for low, high, boundary, state in (
        ("4/3", "7/3", "half-open", "valid"),
        ("4/3", "7/3", "closed", "invalid"),
        ("1.3333333333", "7/3", "half-open", "invalid"),
        ("4/3", "2.3333333334", "half-open", "invalid"),
        ("1.3333333334", "2.3333333333", "closed", "valid"),
    ):
        forbidden = [[[{"square": low}, {"square": high}]]] * 7
        changed = record | {"forbidden": forbidden, "boundary": boundary}
        assert check(examples.written(examples.sealed(changed))).state == state
