"""Polygons that tile the plane, exactly: edges cancel modulo the lattice, areas add up."""

from dataclasses import replace
from fractions import Fraction

import pytest
from exact_tilings import Tiling, between, random_tiling

from tasks.coloring.certificates.constructions import CONSTRUCTIONS, construction
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.numbers import Surd
from tasks.coloring.certificates.polygons.partition import partition_fault
from tasks.coloring.certificates.polygons.simple import polygon_fault, segments_meet
from tasks.coloring.certificates.voronoi import VoronoiColoring
from tasks.records import InputError

TINY = Fraction(1, 10**12)
UNIT = Tiling(((1, 0), (0, 1)), (((0, 0), (1, 0), (1, 1), (0, 1)),))


def exact(points):
    return tuple((Surd.of(x), Surd.of(y)) for x, y in points)


def fault(tiling, polygons=None):
    chosen = tiling.polygons if polygons is None else polygons
    return partition_fault([exact(p) for p in chosen], Lattice(exact(tiling.vectors)))


def moved(tiling, tile, vertex, step):
    polygon = list(tiling.polygons[tile])
    x, y = polygon[vertex]
    polygon[vertex] = (x + step[0], y + step[1])
    return replace(
        tiling, polygons=(*tiling.polygons[:tile], tuple(polygon), *tiling.polygons[tile + 1 :])
    )


@pytest.mark.parametrize("seed", range(12))
def test_random_tilings_with_t_junctions_are_partitions_from_any_vectors_and_representatives(seed):
    tiling = random_tiling(seed)
    assert fault(tiling) is None
    assert fault(tiling.skewed(seed)) is None


@pytest.mark.parametrize("seed", range(6))
def test_a_vertex_moved_by_a_millionth_of_a_millionth_is_a_gap_or_an_overlap(seed):
    """The triangle between the old and the new place has an area of about 1e-12."""
    tiling = random_tiling(seed).skewed(seed)
    tile, vertex = seed % len(tiling.polygons), seed % 6
    for step in ((TINY, 0), (0, -TINY)):
        assert "gap or an overlap" in fault(moved(tiling, tile, vertex, step))


def test_a_gap_and_an_overlap_of_area_one_millionth_of_a_millionth_are_named():
    for shift in (TINY, -TINY):
        right = Fraction(1, 2)
        left = ((0, 0), (right, 0), (right, 1), (0, 1))
        other = ((right + shift, 0), (1, 0), (1, 1), (right + shift, 1))
        found = fault(UNIT, [left, other])
        assert "(0.5, 0.0)" in found and "tile 0" in found


def test_the_whole_plane_covered_twice_is_refused_by_its_edges_or_its_area():
    square = UNIT.polygons[0]
    assert "gap or an overlap" in fault(UNIT, [square, square])
    shifted = tuple((x + Fraction(1, 3), y + Fraction(1, 7)) for x, y in square)
    assert (
        fault(UNIT, [square, shifted]) == "no partition: the tiles have area 2.0, the lattice 1.0"
    )


def test_a_lattice_twice_too_coarse_or_too_fine_is_refused():
    for vectors in (((2, 0), (0, 1)), ((Fraction(1, 2), 0), (0, 1))):
        assert fault(replace(UNIT, vectors=vectors)) is not None


def test_brick_walls_meet_in_t_junctions_across_the_border_of_the_period():
    third = Fraction(1, 3)
    bricks = [
        ((0, 0), (2, 0), (2, 1), (0, 1)),
        ((third, 1), (2 + third, 1), (2 + third, 2), (third, 2)),
    ]
    assert fault(Tiling(((2, 0), (0, 2)), ()), bricks) is None
    assert "gap" in fault(Tiling(((2, 0), (third, 2)), ()), [bricks[0], bricks[0]])


def test_tiles_longer_than_several_periods_tile_as_well():
    """A unimodular parallelogram tiles under Z^2 however long it is."""
    for k in (3, 50):
        assert fault(UNIT, [((0, 0), (k + 1, 1), (2 * k + 1, 2), (k, 1))]) is None


def test_an_edge_of_more_than_a_thousand_periods_is_refused():
    with pytest.raises(InputError, match="spans more than 1000 periods"):
        fault(UNIT, [((0, 0), (2001, 1), (4001, 2), (2000, 1))])


@pytest.mark.parametrize(
    ("polygon", "reason"),
    [
        ([(0, 0), (1, 1), (1, 0), (0, 1)], "its edges 0 from (0.0, 0.0) and 2 from"),
        ([(0, 0), (1, 0), (1, 0), (1, 1), (0, 1)], "is not simple"),
        ([(0, 0), (1, 0), (2, 0), (1, 0), (1, 1), (0, 1)], "is not simple"),
        ([(0, 0), (2, 0), (2, 2), (1, 0), (0, 2)], "is not simple"),
        ([(0, 0), (1, 0), (0, 0)], "is not simple"),
    ],
)
def test_polygons_that_cross_or_touch_themselves_or_turn_back_are_named(polygon, reason):
    found = polygon_fault([exact([(5, 5), (6, 5), (5, 6)]), exact(polygon)])
    assert found.startswith("tile 1 is not") and reason in found


def test_a_clockwise_tile_is_named():
    assert fault(UNIT, [UNIT.polygons[0][::-1]]).startswith("tile 0 is not counterclockwise")


def test_segments_meet_as_sampled_points_say():
    """All segments on a grid of nine points: parameters of intersections have denominators <= 8."""
    grid = [(Surd.of(x), Surd.of(y)) for x in range(3) for y in range(3)]
    parts = {Fraction(i, d) for d in range(1, 9) for i in range(d + 1)}
    segments = [(a, b) for a in grid for b in grid if a < b]
    points = [{between(a, b, part) for part in parts} for a, b in segments]
    for i, one in enumerate(segments):
        for j, other in enumerate(segments[:i]):
            assert segments_meet(*one, *other) == bool(points[i] & points[j]), (one, other)


def test_the_order_of_tiles_and_the_first_vertex_do_not_matter():
    tiling = random_tiling(3)
    turned = [(*p[k % 5 :], *p[: k % 5]) for k, p in enumerate(reversed(tiling.polygons))]
    assert fault(tiling, turned) is None


@pytest.mark.parametrize("name", [n for n in CONSTRUCTIONS if n != "coulson15"])
def test_published_tilings_without_one_tile_have_a_gap(name):
    coloring = construction(name)
    assert not isinstance(coloring, VoronoiColoring)
    tiles = [tile.vertices for tile in coloring.tiles]
    assert partition_fault(tiles, coloring.lattice) is None
    assert "gap or an overlap" in partition_fault(tiles[1:], coloring.lattice)
