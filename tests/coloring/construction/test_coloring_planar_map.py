"""Planar maps of grids: outlines, arcs and junctions against brute force."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.coloring.construction.polygons.planar_map import planar_map
from tasks.records import InputError

SHAPES = st.tuples(st.integers(1, 7), st.integers(1, 7))
GRIDS = SHAPES.flatmap(lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 255])))
STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))


def unit_sides(points, shape):
    """The directed sides of cells of a closed path, modulo the shape."""
    corners = points.tolist()
    for (a, b), (c, d) in zip(corners, corners[1:] + corners[:1], strict=True):
        assert (a == c) != (b == d)
        length = abs(c - a) + abs(d - b)
        x, y = (c - a) // length, (d - b) // length
        for k in range(length):
            yield (a + k * x) % shape[0], (b + k * y) % shape[1], x, y


def flooded(grid):
    """Connected components by walking from cell to cell, and whether each wraps around."""
    shape, found, wraps = grid.shape, {}, {}
    for start in np.ndindex(shape):
        if start in found:
            continue
        places, stack = {start: start}, [start]
        wraps[start] = False
        while stack:
            cell = stack.pop()
            found[cell] = start
            for x, y in STEPS:
                there = (places[cell][0] + x, places[cell][1] + y)
                other = (there[0] % shape[0], there[1] % shape[1])
                if grid[other] == grid[start] and other not in places:
                    places[other] = there
                    stack.append(other)
                elif grid[other] == grid[start]:
                    wraps[start] |= places[other] != there
    return found, wraps


@settings(max_examples=60)
@given(GRIDS)
def test_outlines_enclose_exactly_the_cells_of_their_regions(grid):
    found = planar_map(grid)
    assert found.num_cells.sum() == grid.size
    for region in range(len(found.colors)):
        cells = found.labels == region
        assert set(grid[cells]) == {found.colors[region]}
        outer, *holes = found.outlines_of(region)
        assert outer.area > 0 and all(hole.is_hole for hole in holes)
        assert outer.area + sum(hole.area for hole in holes) == cells.sum()
        assert found.num_cells[region] == cells.sum()


@settings(max_examples=40)
@given(GRIDS)
def test_every_side_of_a_boundary_is_passed_once_in_each_direction(grid):
    found = planar_map(grid)
    passed = Counter(
        side for outline in found.outlines for side in unit_sides(outline.points, found.shape)
    )
    reverse = Counter()
    for (a, b, x, y), count in passed.items():
        reverse[(a + x) % grid.shape[0], (b + y) % grid.shape[1], -x, -y] += count
    assert passed == reverse and set(passed.values()) <= {1}
    for a, b in np.ndindex(found.shape):
        assert found.labels[a, b] == found.labels[a - 1, b] or (a, b, 0, 1) in passed
        assert found.labels[a, b] == found.labels[a, b - 1] or (a, b, 1, 0) in passed


@settings(max_examples=40)
@given(GRIDS)
def test_components_are_those_of_a_flood_and_only_wrapping_ones_are_cut(grid):
    found = planar_map(grid)
    expected, wraps = flooded(grid)
    pairs = {(found.components[found.labels[cell]], first) for cell, first in expected.items()}
    assert len(pairs) == len(wraps) == found.components.max() + 1
    for cell, first in expected.items():
        assert found.wraps[found.labels[cell]] == wraps[first]
    whole = Counter(found.components.tolist())
    for component, first in pairs:
        assert whole[component] == 1 or wraps[first]


@settings(max_examples=40)
@given(GRIDS)
def test_arcs_join_junctions_bend_at_every_point_and_make_up_the_outlines(grid):
    found = planar_map(grid)
    for arc in found.arcs:
        steps = np.diff(arc.points, axis=0)
        assert (steps == 0).any(axis=1).all()
        assert (steps[1:] == 0).tolist() == (steps[:-1] != 0).tolist()
        assert (arc.points[0] >= 0).all() and (arc.points[0] < found.shape).all()
        for junction, point in ((arc.start, arc.points[0]), (arc.end, arc.points[-1])):
            if junction >= 0:
                assert (np.mod(point, found.shape) == found.junctions[junction]).all()
        if arc.start < 0:
            assert arc.end < 0 and (arc.points[0] == arc.points[-1]).all()
    uses = Counter()
    for outline in found.outlines:
        path, steps = [], zip(outline.arcs, outline.is_forward, outline.periods, strict=True)
        for k, forward, period in steps:
            arc = found.arcs[k]
            assert outline.region == (arc.left if forward else arc.right)
            points = arc.points[:: 1 if forward else -1] + period * found.shape
            assert not path or (path[-1] == points[0]).all()
            path = [*path[:-1], *points]
            uses[k, forward] += 1
        assert (path[0] == path[-1]).all() and (path[:-1] == outline.points).all()
    assert len(uses) == 2 * len(found.arcs) and set(uses.values()) <= {1}


@settings(max_examples=40)
@given(GRIDS.filter(lambda grid: min(grid.shape) > 1))
def test_junctions_are_corners_of_three_or_more_boundary_sides(grid):
    found = planar_map(grid)
    sides = Counter()
    for outline in found.outlines:
        sides.update((a, b) for a, b, *_ in unit_sides(outline.points, found.shape))
    expected = sorted(corner for corner, count in sides.items() if count > 2)
    assert [tuple(corner) for corner in found.junctions.tolist()] == expected


def test_a_hole_is_a_clockwise_outline_and_an_arc_without_junctions():
    grid = np.zeros((9, 8), np.uint8)
    grid[2:7, 2:7] = 1
    grid[3:6, 3:5] = 2
    found = planar_map(grid)
    ring = found.labels[2, 2]
    outer, hole = found.outlines_of(ring)
    assert (outer.area, hole.area) == (25, -6)
    assert hole.points.tolist() in (
        np.roll([(3, 3), (3, 5), (6, 5), (6, 3)], k, axis=0).tolist() for k in range(4)
    )
    closed = [arc for arc in found.arcs if arc.start < 0]
    assert {frozenset((arc.left, arc.right)) for arc in closed} == {
        frozenset((ring, found.labels[0, 0])),
        frozenset((ring, found.labels[3, 3])),
    }


def test_a_region_over_the_edge_of_the_grid_is_one_and_lies_together():
    grid = np.zeros((6, 6), np.uint8)
    grid[[0, 0, 5, 5], [0, 5, 0, 5]] = 1
    found = planar_map(grid)
    [outer] = found.outlines_of(found.labels[5, 5])
    assert outer.area == 4 and np.ptp(outer.points, axis=0).tolist() == [2, 2]


def test_stripes_around_the_torus_are_cut_once_each():
    grid = np.repeat(np.array([[0], [1]], np.uint8), 6, axis=0) + np.zeros((1, 5), np.uint8)
    found = planar_map(grid)
    assert found.wraps.all() and found.num_cells.tolist() == [30, 30]
    assert found.junctions.tolist() == [[0, 0], [6, 0]]
    assert sorted(found.is_cut(arc) for arc in found.arcs) == [False, False, True, True]
    assert [len(outline.points) for outline in found.outlines] == [4, 4]


def test_slanted_stripes_are_cut_along_the_first_row():
    i, j = np.indices((12, 12))
    found = planar_map(((i + 2 * j) // 6 % 2).astype(np.uint8))
    assert found.components.max() == 1 and found.wraps.all()
    cut = [arc for arc in found.arcs if found.is_cut(arc)]
    assert cut and all((arc.points[:, 0] % 12 == 0).all() for arc in cut)


def test_a_torus_of_one_color_is_cut_to_a_parallelogram():
    for shape in ((1, 1), (3, 4)):
        found = planar_map(np.full(shape, 255, np.uint8))
        [outline] = found.outlines
        assert outline.area == shape[0] * shape[1] and len(outline.points) == 4
        assert len(found.arcs) == 2 and found.junctions.tolist() == [[0, 0]]


def test_cells_of_a_checkerboard_are_regions_and_all_corners_junctions():
    i, j = np.indices((4, 6))
    found = planar_map(((i + j) % 2).astype(np.uint8))
    assert len(found.colors) == len(found.junctions) == 24
    assert len(found.arcs) == 48 and all(len(arc.points) == 2 for arc in found.arcs)


@pytest.mark.parametrize(
    "grid", [np.zeros((2, 2)), np.zeros(4, int), np.zeros((0, 3), int), np.array([[256]])]
)
def test_what_is_not_a_grid_of_colors_is_refused(grid):
    with pytest.raises(InputError, match="colors 0 to 255"):
        planar_map(grid)
