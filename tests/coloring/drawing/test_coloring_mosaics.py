"""Outlines for pictures: exact areas, bounded simplification, slices, exported polygons."""

import json
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from small_colorings import blocks, cubes, four_squares

from tasks.coloring import Lattice, PNorm
from tasks.coloring.certificates.constructions import construction
from tasks.coloring.certificates.distances import parse_distances
from tasks.coloring.certificates.voronoi import VoronoiColoring
from tasks.coloring.drawing.mosaics import (
    Mosaic,
    Piece,
    grid_mosaic,
    marked_mosaic,
    simplified,
    tile_mosaic,
)
from tasks.coloring.drawing.scenes import avoided, circles, forbidden_of, percent, scene_of
from tasks.coloring.drawing.slices import relevant_vectors, slice_mosaic
from tasks.coloring.drawing.views import (
    ball_of,
    form_of,
    plane_mosaic,
    setting_of,
    slice_of,
    tiles_of,
)
from tasks.coloring.interchange.polygon_exports import polygons_json, polygons_wkt
from tasks.records import InputError

LATTICE = np.array([[1.5, 0.2], [-0.4, 1.1]])
SQUARE = np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
GRIDS = st.tuples(st.integers(2, 8), st.integers(2, 8)).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 255]))
)
FCC, BCC = [[1, 1, 0], [1, 0, 1], [0, 1, 1]], [[-1, 1, 1], [1, -1, 1], [1, 1, -1]]


def round_grid(m=60):
    """Disks of color 1 and 2 on color 0, with one removed cell."""
    x, y = np.indices((m, m)) / m
    grid = np.where(np.hypot(x - 0.3, y - 0.4) < 0.25, 1, 0)
    grid = np.where(np.hypot(x - 0.75, y - 0.7) < 0.2, 2, grid)
    grid[3, 3] = 255
    return grid


def distance_to(points, path):
    """The largest distance from points to a path."""
    starts, chords = path[:-1], np.diff(path, axis=0)
    relative = points[:, None] - starts
    squares = np.maximum((chords**2).sum(1), 1e-30)
    along = np.clip((relative * chords).sum(2) / squares, 0, 1)
    return np.hypot(*np.moveaxis(relative - along[..., None] * chords, 2, 0)).min(1).max()


def num_points(mosaic):
    return sum(len(path) for piece in mosaic.pieces for path in piece.outlines)


# --- grids --------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(GRIDS)
def test_pieces_of_a_grid_have_the_areas_of_their_cells(grid):
    mosaic = grid_mosaic(grid, LATTICE)
    cell = abs(np.linalg.det(LATTICE)) / grid.size
    for color in np.unique(grid):
        area = sum(piece.area for piece in mosaic.pieces if piece.color == color)
        assert area == pytest.approx(np.sum(grid == color) * cell)


def test_lines_separate_different_colors_and_leave_out_what_is_removed():
    grid = np.zeros((4, 6), int)
    grid[:, :2], grid[:, 4:] = 1, 255
    lines = grid_mosaic(grid, np.eye(2)).lines
    length = sum(np.hypot(*np.diff(line, axis=0).T).sum() for line in lines)
    assert length == pytest.approx(1)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=2, max_size=12, unique=True),
    st.floats(0.01, 5),
)
def test_a_simplified_path_keeps_its_ends_and_stays_within_the_tolerance(points, tolerance):
    path = np.array(points)
    found = simplified(path, tolerance)
    assert (found[[0, -1]] == path[[0, -1]]).all()
    assert distance_to(path, found) <= tolerance * (1 + 1e-9)


def test_a_small_closed_path_vanishes_and_a_larger_one_keeps_an_area():
    closed = np.vstack([SQUARE, SQUARE[:1]])
    assert len(simplified(closed, 1.5)) == 0
    assert len(simplified(closed, 0.8)) == 4


def test_fine_boundaries_are_simplified_to_the_number_of_points_asked_for():
    exact = grid_mosaic(round_grid(), LATTICE)
    rough = grid_mosaic(round_grid(), LATTICE, fineness=0.01, most=80)
    assert num_points(rough) <= 2 * 80 < num_points(exact)
    for color in range(3):
        areas = [sum(p.area for p in m.pieces if p.color == color) for m in (exact, rough)]
        assert areas[1] == pytest.approx(areas[0], rel=0.05)
    small = grid_mosaic(np.array([[0, 1], [1, 0]]), LATTICE, fineness=1, most=80)
    assert all(len(piece.outlines[0]) == 4 for piece in small.pieces)


def test_marks_are_pieces_of_the_marked_cells_only():
    mask = np.zeros((5, 5), bool)
    mask[1, 1:3] = mask[4, 4] = True
    found = marked_mosaic(mask, np.eye(2))
    assert sorted(round(piece.area * 25) for piece in found.pieces) == [1, 2]


@pytest.mark.parametrize("corner", [(-3.0, 2.0), (0.1, 0.2)])
def test_translations_are_all_that_meet_a_box(corner):
    mosaic = grid_mosaic(np.array([[0, 1], [2, 3]]), LATTICE)
    drawn = [*(piece.outlines[0] for piece in mosaic.pieces), *mosaic.lines]
    low, high = np.array(corner), np.add(corner, (2.0, 1.5))
    found = {tuple(t) for t in mosaic.translations(low, high).round(9)}
    for points, steps in product(drawn, product(range(-9, 10), repeat=2)):
        moved = points + steps @ LATTICE
        if (moved.max(0) > low + 1e-9).all() and (moved.min(0) < high - 1e-9).all():
            assert tuple((steps @ LATTICE).round(9)) in found
    assert len(found) < 30
    assert Mosaic(mosaic.pieces, (), np.zeros((0, 2))).translations(low, high).tolist() == [[0, 0]]


def test_the_inner_point_of_a_ring_is_in_the_ring():
    ring = Piece(0, (SQUARE * 4, SQUARE[::-1] * 2 + 1))
    x, y = ring.inner_point()
    assert ring.area == 12 and 0 < x < 4 and 0 < y < 4 and not (1 < x < 3 and 1 < y < 3)


@pytest.mark.parametrize(
    ("tiles", "lattice", "words"),
    [
        ([], np.eye(2), "one tile or more"),
        ([(0, SQUARE[:2])], np.eye(2), "three vertices"),
        ([(0, SQUARE)], [[1, 2], [2, 4]], "parallel"),
        ([(0, SQUARE)], [[1, 2], [2, np.inf]], "two finite vectors"),
    ],
)
def test_what_is_no_tiling_is_refused(tiles, lattice, words):
    with pytest.raises(InputError, match=words):
        tile_mosaic(tiles, lattice)


# --- scenes -------------------------------------------------------------------------------------


def test_circles_are_centered_at_points_of_colors_that_forbid_them():
    grid = round_grid()
    forbidden = forbidden_of(["0.3", "0.1-0.2", "0.3"], 0, grid)
    scene = scene_of(grid_mosaic(grid, LATTICE), forbidden, 0.0, aspect=1.2)
    found = circles(scene)
    assert [kind for _, kind in found] == [forbidden[0], forbidden[1]]
    for center, kind in found:
        cell = np.floor(center @ np.linalg.inv(LATTICE) * grid.shape).astype(int) % grid.shape
        assert forbidden[int(grid[tuple(cell)])] == kind
        assert (scene.window[0] < center).all() and (center < scene.window[1]).all()


def test_colors_that_do_not_exist_are_refused():
    with pytest.raises(InputError, match="color 2 occurs, but there are 2 colors only"):
        forbidden_of(None, 2, round_grid())


def test_headings_name_the_type_of_a_coloring():
    assert avoided(construction("hex7").forbidden) == "7 colors, none with two points at distance 1"
    words = avoided(construction("mundinger_second_six").forbidden)
    assert words == "6 colors of type (1, 1, 1, 1, 1, 0.418 to 0.657)"
    assert avoided(construction("hoffman_soifer").forbidden).endswith("1, 0.41421)")
    assert percent(1e-9) == "below 0.0001 %" and percent(0.5) == "50 %"


# --- certificates -------------------------------------------------------------------------------


def test_tiles_of_certificates_have_their_removed_fraction():
    for name in ("pritikin6", "mundinger_second_six"):
        coloring = construction(name)
        mosaic = plane_mosaic(coloring)
        areas = [piece.area * (piece.color == 255) for piece in mosaic.pieces]
        whole = abs(np.linalg.det(mosaic.vectors))
        assert sum(areas) / whole == pytest.approx(float(coloring.removed), rel=1e-6)
        assert form_of(coloring) == f"{len(mosaic.pieces)} tiles"


def test_the_unit_ball_of_a_norm_has_norm_one():
    assert ball_of(four_squares().norm).tolist() == [[1, 1], [-1, 1], [-1, -1], [1, -1]]
    assert (np.abs(ball_of(PNorm(3))) ** 3).sum(axis=1) == pytest.approx(1)
    assert ball_of(blocks().norm) is None
    assert setting_of(four_squares()) == "norm of a ball with 4 vertices"


@pytest.mark.parametrize(
    ("basis", "number"),
    [
        (np.eye(3), 6),
        (FCC, 12),
        (BCC, 14),
        ([[1, 0, 0], [7, 1, 0], [3, 5, 2]], 6),
        ([[2, 0], [1, 3**0.5]], 6),
    ],
)
def test_relevant_vectors_are_those_of_the_faces_of_a_voronoi_cell(basis, number):
    assert len(relevant_vectors(basis)) == number


@pytest.mark.parametrize("height", [0.0, 0.31])
def test_a_slice_shows_the_color_of_the_closest_lattice_point(height):
    coloring = construction("coulson15")
    window = np.array([(-1.0, -0.5), (0.4, 0.7)])
    mosaic = slice_of(coloring, height, window)
    steps = np.array(list(product(range(-5, 6), repeat=3)))
    points = steps @ coloring.basis.floats
    inverse = np.linalg.inv(np.array(coloring.period))
    rng = np.random.default_rng(0)
    for place in rng.uniform(*window, (40, 2)):
        square = ((points - (*place, height + 1e-6)) ** 2).sum(axis=1)
        closest = steps[square.argmin()]
        shifts = [(closest - point) @ inverse for _, point in coloring.tiles]
        [own] = [k for k, shift in enumerate(shifts) if np.allclose(shift, np.rint(shift))]
        color = coloring.tiles[own][0]
        assert [p.color for p in mosaic.pieces if holds(p.outlines[0], place)] == [color]


def holds(polygon, place):
    """Whether a convex polygon, counterclockwise, holds a point."""
    sides, relative = np.roll(polygon, -1, 0) - polygon, place - polygon
    return bool((sides[:, 0] * relative[:, 1] > sides[:, 1] * relative[:, 0]).all())


def test_slices_need_one_cell_of_each_class():
    with pytest.raises(InputError, match="2 tiles of 1 classes for periods of index 2"):
        tiles = [(0, (0, 0, 0)), (1, (2, 0, 0))]
        slice_mosaic(np.eye(3), np.diag([2, 1, 1]), tiles, 0.0, [(0, 0), (1, 1)])


def test_a_slice_of_cells_of_space_has_their_colors_where_they_are():
    coloring = cubes()
    side = float(coloring.lattice.floats[0, 0])
    mosaic = slice_of(coloring, 0.4 * side, [(0, 0), (side, side)])
    found = {piece.color: piece.outlines[0].mean(axis=0) for piece in mosaic.pieces}
    assert sorted(found) == [9 * i + 3 * j + 1 for i in range(3) for j in range(3)]
    for color, middle in found.items():
        assert middle == pytest.approx(
            ((color // 9 + 0.5) * side / 3, (color // 3 % 3 + 0.5) * side / 3), abs=0.01
        )
    assert setting_of(coloring) == "in space"


# --- exports ------------------------------------------------------------------------------------


def area(points):
    (x, y), (x_next, y_next) = points.T, np.roll(points, -1, 0).T
    return (x @ y_next - y @ x_next) / 2


def test_exported_polygons_have_the_areas_of_the_colors():
    grid, lattice = round_grid(20), Lattice.parse([["1.5", "0.2"], ["-0.4", "1.1"]])
    record = json.loads(polygons_json(grid, lattice))
    assert record["lattice"] == [["1.5", "0.2"], ["-0.4", "1.1"]] and record["shape"] == [20, 20]
    cells = dict.fromkeys([0, 1, 2, None], 0)
    for polygon in record["polygons"]:
        rings = [polygon["outer"], *polygon["holes"]]
        cells[polygon["color"]] += sum(area(np.array(ring)) for ring in rings)
    values = {
        None if c == 255 else int(c): n
        for c, n in zip(*np.unique(grid, return_counts=True), strict=True)
    }
    assert cells == values
    head, *rows = polygons_wkt(grid, lattice).splitlines()
    assert head == "color;polygon" and len(rows) == len(record["polygons"])
    whole = 0.0
    for row in rows:
        _, text = row.split(";")
        for ring in text.removeprefix("POLYGON((").removesuffix("))").split("),("):
            points = np.array([list(map(float, point.split())) for point in ring.split(",")])
            assert (points[0] == points[-1]).all()
            whole += area(points[:-1])
    assert whole == pytest.approx(abs(np.linalg.det(LATTICE)))


def test_tiles_of_plane_voronoi_cells_fill_their_period():
    coloring = VoronoiColoring(
        tuple((k, (k, 0)) for k in range(7)),
        Lattice.parse([["0.8", "0"], ["0.4", "0.7"]]),
        ((7, 0), (2, 1)),
        parse_distances("1", 7),
    )
    tiles = tiles_of(coloring)
    assert sum(area(points) for _, points in tiles) == pytest.approx(7 * 0.56)
    assert form_of(coloring) == "7 Voronoi cells"
