"""Voronoi cells of lattices against half-spaces, quadratic programs and brute force."""

import random
from dataclasses import replace
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial import HalfspaceIntersection

from tasks.coloring.certificates.distances import Distance, Forbidden, Interval, parse_distances
from tasks.coloring.certificates.files import certificate_record, verify_certificate
from tasks.coloring.certificates.lattices import Lattice, combination, dot
from tasks.coloring.certificates.norms import Euclidean, PolygonalNorm
from tasks.coloring.certificates.numbers import Surd
from tasks.coloring.certificates.voronoi import VoronoiColoring, verify_voronoi
from tasks.coloring.certificates.voronoi.cells import VoronoiCell, obtuse_superbase
from tasks.coloring.certificates.voronoi.cosets import Cosets
from tasks.coloring.certificates.voronoi.steps import conflicting_steps
from tasks.records import InputError

TINY = Fraction(1, 10**12)
ROOT = Surd.of(0, 1, 3)
BODY = [["-0.5", "0.5", "0.5"], ["0.5", "-0.5", "0.5"], ["0.5", "0.5", "-0.5"]]
KNOWN = {
    # Basis; facets, edges and vertices of its cell.
    "hexagonal": (Lattice(((Surd.of(2), Surd.of(0)), (Surd.of(1), ROOT))), 6, 6, 6),
    "square": (Lattice.parse([[1, 0], [0, 1]]), 4, 4, 4),
    "cubic": (Lattice.parse([[1, 0, 0], [0, 1, 0], [5, 7, 1]]), 6, 12, 8),
    "body-centered": (Lattice.parse(BODY), 14, 36, 24),
    "face-centered": (Lattice.parse([[0, 1, 1], [1, 0, 1], [1, 1, 0]]), 12, 24, 14),
}


def random_lattice(seed, dimension):
    chance = random.Random(seed)
    while True:
        rows = [[chance.randint(-9, 9) for _ in range(dimension)] for _ in range(dimension)]
        if abs(np.linalg.det(rows)) > 20:
            return Lattice.parse(rows)


def facets(cell):
    """Normals of planes that hold enough vertices to be facets."""
    wanted = len(cell.vertices[0])
    held = [
        sum(dot(vertex, normal) == square for vertex in cell.vertices)
        for normal, square in zip(cell.normals, cell.squares, strict=True)
    ]
    return sum(count >= wanted for count in held)


@pytest.mark.parametrize("name", KNOWN)
def test_cells_of_known_lattices_have_their_facets_edges_and_vertices(name):
    lattice, num_facets, num_edges, num_vertices = KNOWN[name]
    cell = VoronoiCell.of(lattice)
    assert facets(cell) == num_facets
    assert len({frozenset(edge) for edge in cell.edges}) == num_edges
    assert len(cell.vertices) == num_vertices


@pytest.mark.parametrize(("seed", "dimension"), list(product(range(8), (2, 3))))
def test_vertices_are_those_of_all_half_spaces_of_short_vectors(seed, dimension):
    lattice = random_lattice(seed, dimension)
    cell = VoronoiCell.of(lattice)
    reduced = lattice.reduced()[0].floats
    steps = np.array([s for s in product(range(-2, 3), repeat=dimension) if any(s)])
    vectors = steps @ reduced
    planes = np.column_stack([vectors, -(vectors**2).sum(axis=1)])
    found = HalfspaceIntersection(planes, np.zeros(dimension)).intersections
    mine = cell.float_vertices
    assert np.abs(found[:, None] - mine).max(axis=2).min(axis=1).max() < 1e-9
    assert np.abs(mine[:, None] - found).max(axis=2).min(axis=1).max() < 1e-9


@pytest.mark.parametrize(("seed", "dimension"), list(product(range(8), (2, 3))))
def test_superbases_are_obtuse_and_span_the_lattice(seed, dimension):
    lattice = random_lattice(seed, dimension)
    superbase = obtuse_superbase(lattice)
    assert all(dot(v, w) <= 0 for v, w in combinations(superbase, 2))
    assert not any(sum(column, Surd.of(0)) for column in zip(*superbase, strict=True))
    assert abs(Lattice(superbase[1:]).determinant) == abs(lattice.determinant)


@pytest.mark.parametrize(("seed", "dimension"), list(product(range(4), (2, 3))))
def test_squared_distances_of_cells_are_those_of_a_quadratic_program(seed, dimension):
    cell, chance = VoronoiCell.of(random_lattice(seed, dimension)), random.Random(seed)
    normals, squares = cell.float_normals, np.array([float(s) for s in cell.squares])
    for _ in range(3):
        center = [Surd.of(chance.randint(-25, 25)) for _ in range(dimension)]
        place = np.array([float(x) for x in center])
        solved = minimize(
            lambda x, place=place: ((x - place) ** 2).sum(),
            np.zeros(dimension),
            jac=lambda x, place=place: 2 * (x - place),
            constraints={"type": "ineq", "fun": lambda x: squares - normals @ x},
            method="SLSQP",
        )
        assert float(cell.least_square(tuple(center))) == pytest.approx(solved.fun, abs=1e-4)
        farthest = ((place + cell.float_vertices) ** 2).sum(axis=1).max()
        assert float(cell.greatest_square(tuple(center))) == pytest.approx(farthest)


@pytest.mark.parametrize("seed", range(2))
def test_conflicting_steps_are_all_steps_whose_squared_distances_meet_the_interval(seed):
    """Without filters: the exact least and largest square at each of 15^2 steps."""
    lattice, chance = random_lattice(seed, 2), random.Random(seed)
    reduced, cell = lattice.reduced()[0], VoronoiCell.of(lattice)
    low = Surd.of(chance.randint(10, 150))
    high = low + chance.randint(0, 50)
    interval = Interval(Distance.root(low), Distance.root(high))
    for is_closed in (False, True):
        expected = set()
        for step in product(range(-7, 8), repeat=2):
            center = combination(step, reduced.vectors)
            least, largest = cell.least_square(center), cell.greatest_square(center)
            meets = least <= high and largest >= low
            if meets and (is_closed or (least < high and largest > low)):
                expected.add(center)
        steps = conflicting_steps(lattice, interval, Euclidean(), is_closed)
        centers = [combination(step, lattice.vectors) for step in steps]
        assert {*centers, *((-x, -y) for x, y in centers)} == expected


def test_cells_of_the_square_lattice_decide_in_the_maximum_norm_as_half_open_squares_do():
    """4 colors of unit squares avoid 1, and not a bit less or more."""
    tiles = tuple((2 * i + j, (i, j)) for i in (0, 1) for j in (0, 1))
    lattice, norm = Lattice.parse([[1, 0], [0, 1]]), PolygonalNorm.maximum()
    coloring = VoronoiColoring(tiles, lattice, ((2, 0), (0, 2)), parse_distances("1", 4), norm)
    assert verify_voronoi(coloring).valid
    assert not verify_voronoi(replace(coloring, boundary="closed")).valid
    assert not verify_voronoi(replace(coloring, norm=Euclidean())).valid
    for distance in (1 - TINY, 1 + TINY):
        forbidden = Forbidden(((Interval.of(distance),),) * 4)
        verification = verify_voronoi(replace(coloring, forbidden=forbidden))
        assert not verification.valid
        assert verification.conflict.realised == pytest.approx(
            (0, 1) if distance < 1 else (1, 3), abs=2e-3
        )


def test_cosets_number_all_points_of_a_period_once():
    chance = random.Random(5)
    for dimension in (2, 3):
        for _ in range(10):
            rows = [[chance.randint(-6, 6) for _ in range(dimension)] for _ in range(dimension)]
            index = round(abs(np.linalg.det(rows)))
            if not index:
                with pytest.raises(InputError, match="dependent"):
                    Cosets(rows)
                continue
            cosets = Cosets(rows)
            points = list(product(range(-6, 7), repeat=dimension))
            assert {cosets.number(point) for point in points} <= set(range(index))
            assert cosets.index == index
            inverse = np.linalg.inv(np.array(rows, float))
            for point in chance.sample(points, 20):
                step = chance.choice(points)
                there = tuple(x + y for x, y in zip(point, step, strict=True))
                assert cosets.moved(step)[cosets.number(point)] == cosets.number(there)
                difference = np.subtract(point, step) @ inverse
                is_integer = np.abs(difference - np.round(difference)).max() < 1e-9
                assert (cosets.number(point) == cosets.number(step)) == is_integer


COLORING = VoronoiColoring(
    ((0, (0, 0)), (1, (1, 0)), (None, (2, 0))),
    Lattice.parse([[1, 0], [0, 1]]),
    ((3, 0), (1, 1)),
    parse_distances("1.4143", 2),
)


def test_removed_cells_count_and_certificates_are_read_back():
    record = certificate_record(COLORING)
    assert record["removed"] == "1/3"
    assert verify_certificate(record) == verify_voronoi(COLORING)


def test_cells_that_are_not_one_of_each_coset_are_no_partition():
    tiles = ((0, (0, 0)), (1, (1, 0)), (1, (-2, 3)))
    verification = verify_voronoi(replace(COLORING, tiles=tiles))
    assert not verification.valid
    assert "cells [1, 0] and [-2, 3] are translates" in verification.summary


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"period": ((3, 0), (6, 0))}, "dependent"),
        ({"period": ((3, 0),)}, "2 rows of 2 integers"),
        ({"tiles": ()}, "at least one"),
        ({"tiles": ((0, (0, 0)), (1, (1, 0)))}, "2 cells for a period of index 3"),
        ({"tiles": ((0, (0, 0, 0)),)}, "2 coordinates"),
        ({"tiles": ((2, (0, 0)),)}, "colors of cells are 0 to 1"),
        ({"boundary": "open"}, "half-open, closed"),
        ({"period": ((10**4, 0), (0, 10**4))}, "index at most"),
    ],
)
def test_wrong_colorings_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        replace(COLORING, **change)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("period", [[3, 0], [2, 1]], "not the period of the basis"),
        ("period", [[3, 0], [1, 1.0]], "lists of integers"),
        ("tiles", [[0, [0, 0]]], "digest"),
        ("basis", [["1", "0"], ["2", "0"]], "parallel"),
        ("sha256", "0", "digest"),
    ],
)
def test_wrong_entries_of_a_certificate_are_refused(key, value, message):
    record = certificate_record(COLORING)
    record["voronoi"][key] = value
    with pytest.raises(InputError, match=message):
        verify_certificate(record)
