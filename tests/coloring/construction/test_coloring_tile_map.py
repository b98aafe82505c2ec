"""Maps of tiles: gradients, distances, welding, division, removed faces."""

from dataclasses import replace

import numpy as np
import pytest

from tasks.coloring.certificates.distances import parse_distances
from tasks.coloring.certificates.polygons.partition import partition_fault
from tasks.coloring.construction.polygons.distance_rows import rows_of
from tasks.coloring.construction.polygons.division import divided, divided_at_borders
from tasks.coloring.construction.polygons.exact_tiles import exact_coloring
from tasks.coloring.construction.polygons.movement import Movement, retreating_corners
from tasks.coloring.construction.polygons.overlaps import common_parts, without_overlaps
from tasks.coloring.construction.polygons.removed_faces import FaceError, removed_faces
from tasks.coloring.construction.polygons.tile_map import free_tiles
from tasks.coloring.construction.polygons.tile_neighbors import close_pairs, neighbors
from tasks.coloring.construction.polygons.welding import welded

WINDOWS = (np.array([[0.0, 1.0], [1.0, np.inf]]),) * 3
UNIT = np.eye(2)


def square(x, y, side):
    return np.array([[x, y], [x + side, y], [x + side, y + side], [x, y + side]])


def ring(x, y, radius, count=9):
    angle = np.arange(count) * 2 * np.pi / count
    return np.array([x, y]) + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def rings():
    """Three tiles, of which the first and its translates are almost at distance 1."""
    lattice = np.array([[1.9, 0.1], [0.3, 2.1]])
    return free_tiles(
        [ring(0, 0, 0.46), ring(1, 0.1, 0.5, 7), ring(0.3, 1.1, 0.49, 8)], [0, 1, 0], lattice
    )


def shared_pair():
    """Two unit squares side by side with two common vertices, in a wide lattice."""
    return welded(
        free_tiles([square(0, 0, 1), square(1 + 1e-4, 0, 1)], [0, 1], np.diag([3.0, 2.0])), 1e-3
    )


def moved_at_random(tiles, size, seed=0):
    step = np.random.default_rng(seed).normal(size=2 * len(tiles.points) + 4) * size
    return step, tiles.moved(step), tiles.moved(-step)


@pytest.mark.parametrize("tiles", [rings(), shared_pair()], ids=["free", "shared"])
def test_gradient_of_the_removed_fraction_is_that_of_differences(tiles):
    step, ahead, behind = moved_at_random(tiles, 1e-5)
    assert np.isclose(ahead.removed - behind.removed, 2 * tiles.removed_gradient @ step, rtol=1e-6)


def test_rows_are_gradients_of_distances():
    tiles = rings()
    near = neighbors(tiles, WINDOWS, 0.5)
    rows = rows_of(tiles, near, margin=0.3, slack=0.0, gap=0.0)
    assert len(near.far) and len(near.near) and (rows.along > 0).any() and (rows.limit == 0).any()
    step, ahead, behind = moved_at_random(tiles, 1e-6)
    slope = rows.matrix(tiles) @ step
    values = [dict(keyed(other, near)) for other in (ahead, behind)]
    compared = [
        (values[0][key] - values[1][key], 2 * sign * s)
        for (key, _), sign, s in zip(keyed(tiles, near), rows.sign, slope, strict=True)
        if key in values[0] and key in values[1]
    ]
    assert len(compared) > 0.9 * len(rows)
    assert np.allclose(*zip(*compared, strict=True), rtol=1e-4, atol=1e-11)


def keyed(tiles, near):
    rows = rows_of(tiles, near, margin=0.3, slack=0.0, gap=0.0)
    keys = np.column_stack([rows.corner, rows.edge, rows.shift, rows.sign, rows.limit])
    return [(tuple(key), d) for key, d in zip(keys.tolist(), rows.distance, strict=True)]


def test_turning_an_edge_shortens_its_distance_by_what_bending_says():
    lattice = np.diag([9.0, 9.0])
    corner = np.array([[0.1, 1.0], [0.2, 1.4], [-0.2, 1.4]])
    edge = np.array([[-0.3, -0.4], [0.5, -0.4], [0.5, 0.0], [-0.3, 0.0]])
    tiles = free_tiles([corner, edge], [0, 0], lattice)
    rows = rows_of(tiles, neighbors(tiles, WINDOWS, 0.1), margin=1e-3, slack=0.0, gap=0.0)
    row = int(np.flatnonzero((rows.corner == 0) & (rows.sign > 0))[0])
    assert tiles.corners[rows.edge[row]].tolist() == [0.5, 0.0]
    angle = 1e-3
    step = np.zeros(2 * len(tiles.points) + 4)
    step[2 * 5 + 1], step[2 * 6 + 1] = 0.4 * angle, -0.4 * angle
    second = float((rows.bending(tiles) @ step)[row]) ** 2 / 2
    after = tiles.moved(step).corners
    chord, offset = after[6] - after[5], after[0] - after[5]
    distance = abs(chord[0] * offset[1] - chord[1] * offset[0]) / np.hypot(*chord)
    assert np.isclose(1 - distance, second, rtol=1e-2)


def test_a_pair_keeps_the_window_that_it_violates_least():
    tiles = free_tiles(
        [square(0, 0, 0.3), square(0.5, 0, 0.3), square(1.2, 0, 0.3)], [0, 0, 0], np.eye(2) * 9
    )
    near = neighbors(tiles, WINDOWS, 0.5)
    close = {(int(a), int(b)) for a, b in zip(near.near.first, near.near.second, strict=True)}
    apart = {(int(a), int(b)) for a, b in zip(near.far.first, near.far.second, strict=True)}
    assert close == {(0, 0), (1, 1), (2, 2), (0, 1), (1, 0)} | ({(1, 2), (2, 1)} & close)
    assert {(0, 2), (2, 0)} <= apart


def test_extents_are_those_of_sampled_outlines():
    tiles = rings()
    far = neighbors(tiles, WINDOWS, 0.5).far[np.arange(4)]
    least, most = far.extents(tiles)
    t = np.linspace(0, 1, 50)[:, None, None]
    edges = tiles.corners + t * (tiles.corners[tiles.following] - tiles.corners)
    for q, (first, second) in enumerate(zip(far.first, far.second, strict=True)):
        one = edges[:, tiles.tile_of == first].reshape(-1, 2)
        other = edges[:, tiles.tile_of == second].reshape(-1, 2) + far.shift[q] @ tiles.lattice
        distance = np.linalg.norm(one[:, None] - other, axis=2)
        assert 0 <= distance.min() - least[q] < 1e-3
        assert 0 <= most[q] - distance.max() < 1e-12


def test_welding_closes_a_gap_and_keeps_the_torus_covered():
    tiles = shared_pair()
    assert len(tiles.points) == 6
    assert np.isclose(tiles.areas.sum(), 2 + 1e-4)


def test_welding_makes_vertices_of_other_tiles_corners_of_an_edge():
    parts = [square(0, 0, 1), square(1 + 1e-5, 0, 0.5), square(1, 0.5, 0.5)]
    tiles = welded(free_tiles(parts, [0, 1, 2], np.eye(2) * 4), 1e-3)
    assert np.diff(tiles.starts).tolist() == [5, 4, 4]
    assert len(removed_faces(tiles)) >= 1


def test_welding_works_across_the_period():
    tiles = welded(free_tiles([square(0.001, 0.001, 0.998)], [0], UNIT), 0.01)
    assert len(tiles.points) == 1
    assert tiles.removed == pytest.approx(0, abs=1e-12)
    assert removed_faces(tiles) == []


def test_division_keeps_common_edges_common():
    tiles = divided(shared_pair(), 0.3)
    before = shared_pair()
    edges = tiles.corners[tiles.following] - tiles.corners
    assert np.linalg.norm(edges, axis=1).max() <= 0.3
    assert np.allclose(tiles.areas, before.areas)
    assert len(tiles.points) == 2 * 16 - 5


def test_detached_corners_move_alone():
    tiles = shared_pair()
    alone = tiles.detached(np.arange(8) < 4)
    assert len(alone.points) == 8
    assert alone.removed == tiles.removed


ISLANDS = {
    "one island": ([ring(0.5, 0.5, 0.3)], UNIT),
    "three islands": ([ring(0, 0, 0.2), ring(0.4, 0.1, 0.15), ring(0.6, 0.6, 0.25)], UNIT),
    "a stripe": (
        [np.array([[0.0, 0], [1, 0.1], [1, 0.6], [0, 0.5]])],
        np.array([[1, 0.1], [0, 1]]),
    ),
    "a plus": ([square(0, 0, 0.5), square(0.5, 0.5, 0.5)], UNIT),
    "touching squares": ([square(0, 0, 1), square(1, 0, 1)], np.diag([3.0, 2.0])),
}


@pytest.mark.parametrize("name", ISLANDS)
def test_removed_faces_and_tiles_are_a_partition(name):
    loops, lattice = ISLANDS[name]
    tiles = welded(free_tiles(loops, [0] * len(loops), lattice), 1e-6)
    coloring = exact_coloring(tiles, parse_distances("1", 1), digits=9)
    assert partition_fault([tile.vertices for tile in coloring.tiles], coloring.lattice) is None
    assert float(coloring.removed.a) == pytest.approx(tiles.removed, abs=1e-8)


def test_tiles_on_the_same_side_of_an_edge_are_refused():
    overlapping = [square(0, 0, 1), np.array([[0.0, 0], [1, 0], [1, 0.5]])]
    with pytest.raises(FaceError, match="same side"):
        removed_faces(welded(free_tiles(overlapping, [0, 1], np.eye(2) * 3), 1e-6))


def test_a_tile_that_a_larger_one_covers_is_left_out():
    inner = [square(0, 0, 1), square(0.9, 0.2, 0.5), square(1.999, 0, 0.5)]
    tiles = free_tiles([inner[0], inner[1], inner[2] + 2], [0, 1, 2], np.eye(2) * 4)
    pairs = close_pairs(tiles, 0.0)
    parts = dict(
        zip(zip(pairs.first, pairs.second, strict=True), common_parts(tiles, pairs), strict=True)
    )
    assert parts[1, 0] == pytest.approx(0.2, abs=0.03)
    assert without_overlaps(tiles, 0.1).colors.tolist() == [0, 2]
    assert without_overlaps(tiles, 0.3) is tiles


def test_welding_straightens_outlines_that_go_to_and_fro():
    fold = np.array([[0.0, 0], [2, 0], [2, 1], [0.8, 1.0001], [1.2, 1.0002], [0, 1]])
    upper = np.array([[0.0, 1], [2, 1], [2, 2], [0, 2]])
    tiles = welded(free_tiles([fold, upper], [0, 1], np.eye(2) * 3), 0.01)
    assert all(len(face) >= 3 for face in removed_faces(tiles))
    assert tiles.areas.sum() == pytest.approx(4, abs=1e-3)


@pytest.mark.parametrize(("scale", "retreats"), [(1.0, True), (0.2, False)])
def test_tiles_retreat_where_their_distances_push_them(scale, retreats):
    tiles = shared_pair()
    tiles = replace(tiles, points=scale * tiles.points)
    movement = Movement(
        iterations=1, radius=0.01, largest_radius=0.01, penalty=1.0, tension=0.0, spacing=1.0
    )
    found = retreating_corners(tiles, WINDOWS, movement)
    assert found.tolist() == [retreats] * 8


def test_edges_at_removed_regions_alone_are_divided():
    pair = [square(x, 0, 1) * [1, 4] for x in (0, 1)]
    tiles = welded(free_tiles(pair, [0, 1], np.diag([2.0, 4.5])), 1e-6)
    finer = divided_at_borders(tiles, 0.3)
    edges = finer.corners[finer.following] - finer.corners
    horizontal, length = edges[:, 1] == 0, np.linalg.norm(edges, axis=1)
    assert length[horizontal].max() <= 0.3 and length[~horizontal].max() == 1
    assert (finer.corners[~horizontal & (length <= 0.3), 1] % 3.5 <= 0.5).all()
    coloring = exact_coloring(finer, parse_distances("1", 2), digits=9)
    assert partition_fault([tile.vertices for tile in coloring.tiles], coloring.lattice) is None
