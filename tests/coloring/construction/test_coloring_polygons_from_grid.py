"""From grids and broken tilings to proved polygons."""

from dataclasses import replace
from fractions import Fraction
from itertools import count

import numpy as np
import pytest

from tasks.coloring.certificates.constructions import construction
from tasks.coloring.certificates.distances import parse_distances
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.construction.polygons.exact_tiles import exact_coloring
from tasks.coloring.construction.polygons.polygons_from_grid import (
    PolygonSettings,
    allowed_windows,
    improve_tiles,
    polygons_from_grid,
)
from tasks.coloring.construction.polygons.removed_faces import FaceError
from tasks.coloring.construction.polygons.tile_map import free_tiles
from tasks.coloring.construction.polygons.tiles_from_grid import smoothed_grid, tiles_from_grid
from tasks.records import InputError

COARSE = PolygonSettings(spacings=(0.3,), rounds=1, iterations=4, smoothing=0.05)
SEVEN = construction("hex7")


def loops_of(coloring):
    return [
        (tile.color, np.array([[float(x) for x in vertex] for vertex in tile.vertices]))
        for tile in coloring.tiles
        if tile.color is not None
    ]


def hexagon_grid(size):
    """The seven hexagons as cells: the color of the closest center of a hexagon."""
    lattice = SEVEN.lattice.floats
    centers = np.array([loop.mean(axis=0) for _, loop in loops_of(SEVEN)])
    steps = (np.stack(np.mgrid[:size, :size], axis=-1) + 0.5) / size
    shifts = np.stack(np.mgrid[-2:3, -2:3], axis=-1).reshape(-1, 2) @ lattice
    places = (centers[:, None] + shifts).reshape(-1, 2)
    distance = np.linalg.norm((steps @ lattice)[:, :, None] - places, axis=-1)
    return (distance.argmin(axis=-1) // len(shifts)).astype(np.uint8)


@pytest.mark.parametrize("scale", [0.85, 1.15], ids=["shrunk", "too large"])
def test_broken_hexagons_become_a_tiling_again(scale):
    rng = np.random.default_rng(0)
    loops = [
        loop.mean(axis=0) + 0.97 * (loop - loop.mean(axis=0)) + rng.normal(size=loop.shape) * 0.004
        for _, loop in loops_of(SEVEN)
    ]
    tiles = free_tiles([scale * loop for loop in loops], range(7), scale * SEVEN.lattice.floats)
    result = improve_tiles(tiles, SEVEN.forbidden, settings=COARSE)
    assert result.is_certified and result.removed < 1e-6


def test_a_grid_of_seven_colors_becomes_polygons_that_remove_nothing():
    grid = hexagon_grid(64)
    grid[::9, ::7] = 255
    result = polygons_from_grid(grid, SEVEN.lattice, 7, SEVEN.forbidden, settings=COARSE)
    assert result.grid_removed == Fraction(int((grid == 255).sum()), grid.size)
    assert result.is_certified and result.removed == 0 and result.reason == ""
    again = polygons_from_grid(grid, SEVEN.lattice, 7, SEVEN.forbidden, settings=COARSE)
    assert again.coloring.record() == result.coloring.record()
    assert [stage.name for stage in result.history][-1] == "restored"


def test_heptagons_remove_a_little_less_than_published():
    published = construction("pritikin6")
    colors, loops = zip(*loops_of(published), strict=True)
    tiles = free_tiles(loops, colors, published.lattice.floats)
    settings = PolygonSettings(spacings=(0.2,), rounds=1, first_tensions=(), weld=0.01)
    result = improve_tiles(tiles, published.forbidden, settings=settings)
    assert result.is_certified
    assert 0 < result.removed < published.removed.a


def test_what_fails_is_named_if_tiles_cannot_be_restored():
    settings = PolygonSettings(spacings=(0.3,), rounds=0, first_tensions=(), gap=0.0, slack=0.0)
    colors, loops = zip(*loops_of(SEVEN), strict=True)
    overlapping = [loop + 0.3 * (color == 0) for color, loop in zip(colors, loops, strict=True)]
    tiles = free_tiles(overlapping, colors, SEVEN.lattice.floats)
    result = improve_tiles(tiles, SEVEN.forbidden, settings=settings)
    assert not result.is_certified and result.reason


@pytest.mark.parametrize(("failing", "spacing"), [(0, 0.2), (1, 0.25), (2, 0.3), (3, 0.2)])
def test_edges_that_are_too_short_do_not_lose_the_coloring(failing, spacing, monkeypatch):
    """The tiles with the shortest edges that can be proved come out; else why the finest cannot."""
    numbers = count()

    def exact(*given, **how):
        if (number := next(numbers)) < failing:
            raise FaceError(f"try {number}")
        return exact_coloring(*given, **how)

    monkeypatch.setattr(f"{polygons_from_grid.__module__}.exact_coloring", exact)
    settings = replace(COARSE, spacings=(0.3, 0.25), borders=(0.2,))
    found = polygons_from_grid(
        hexagon_grid(64), SEVEN.lattice, 7, SEVEN.forbidden, settings=settings
    )
    assert found.spacing == spacing and found.is_certified == (failing < 3)
    assert found.reason == ("try 0" if failing == 3 else "")


def test_windows_lie_between_the_forbidden_intervals():
    forbidden = parse_distances([[["0.4", "0.5"], ["1", "1"]], "1"], 2)
    overlapping = parse_distances([[["0.4", "0.9"], ["0.5", "1"]]], 1)
    assert allowed_windows(overlapping)[0].tolist() == [[0, 0.4], [1, np.inf]]
    first, second = allowed_windows(forbidden)
    assert first.tolist() == [[0, 0.4], [0.5, 1], [1, np.inf]]
    assert second.tolist() == [[0, 1], [1, np.inf]]


def test_smoothing_fills_thin_bands_and_keeps_wide_ones():
    grid = np.zeros((100, 100), np.uint8)
    grid[50:] = 1
    grid[49:51] = 255
    grid[20:40, 30:60] = 255
    smooth = smoothed_grid(grid, np.eye(2), num_colors=2, smoothing=0.03)
    assert set(np.unique(smooth[45:55])) == {0, 1}
    assert smooth[30, 45] == 2
    assert abs((smooth == 2).mean() - 0.06) < 0.01


@pytest.mark.parametrize("flipped", [False, True], ids=["positive", "negative"])
def test_tiles_of_a_grid_are_counterclockwise_and_cover_what_is_colored(flipped):
    grid, lattice = hexagon_grid(96), SEVEN.lattice.floats
    if flipped:
        grid, lattice = grid.T.copy(), lattice[::-1]
    tiles = tiles_from_grid(grid, lattice, num_colors=7, spacing=0.1, smoothing=0.03, smallest=0.05)
    assert (tiles.areas > 0).all()
    assert sorted(tiles.colors) == list(range(7))
    assert tiles.removed == pytest.approx(0, abs=1e-12)


def test_wrong_use_is_refused():
    grid = np.zeros((8, 8), np.uint8)
    lattice = Lattice.parse([["1", "0"], ["0", "1"]])
    with pytest.raises(InputError, match="as many distances"):
        polygons_from_grid(grid, lattice, 3, parse_distances("1", 2))
    with pytest.raises(InputError, match="above 0"):
        PolygonSettings(spacings=())
    with pytest.raises(InputError, match="no region"):
        polygons_from_grid(np.full((8, 8), 255, np.uint8), lattice, 2, parse_distances("1", 2))
