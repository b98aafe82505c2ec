"""Given colorings by polygons: as maps, as several copies, and shaken."""

from fractions import Fraction

import numpy as np
import pytest

from tasks.coloring.certificates.constructions import construction
from tasks.coloring.certificates.polygons import verify_polygons
from tasks.coloring.construction.polygons.given_tiles import given_tiles, repeated_tiles, shaken
from tasks.coloring.construction.polygons.polygons_from_grid import PolygonSettings, improve_tiles

HEPTAGONS = construction("pritikin6")
PUBLISHED = Fraction(143, 1_000_000)
"""Removed fraction, Parts, arXiv 2010.12668."""


def test_given_tiles_share_the_vertices_where_they_touch():
    tiles = given_tiles(HEPTAGONS)
    assert (tiles.num_tiles, len(tiles.vertex), len(tiles.points)) == (6, 42, 24 - 6)
    assert tiles.removed == pytest.approx(float(HEPTAGONS.removed), abs=1e-12)


@pytest.mark.parametrize("counts", [(1, 2), (2, 1), (2, 3)])
def test_copies_are_the_same_coloring_with_longer_periods(counts):
    repeated = repeated_tiles(HEPTAGONS, counts)
    number = counts[0] * counts[1]
    assert len(repeated.tiles) == number * len(HEPTAGONS.tiles)
    assert repeated.lattice.determinant == number * HEPTAGONS.lattice.determinant
    assert repeated.removed == HEPTAGONS.removed and verify_polygons(repeated).valid


def test_shaking_is_that_of_its_seed_and_of_its_size():
    tiles = given_tiles(HEPTAGONS)
    first, again, other = (shaken(tiles, 0.01, seed).points for seed in (0, 0, 1))
    assert (first == again).all() and (first != other).all()
    assert np.std(first - tiles.points) == pytest.approx(0.01, rel=0.4)


def test_two_shaken_copies_of_six_heptagons_remove_less_than_published():
    """Edges between columns bend around every other one of the points where four tiles meet."""
    tiles = given_tiles(repeated_tiles(HEPTAGONS, (1, 2)))
    settings = PolygonSettings(
        spacings=(0.07,),
        rounds=1,
        iterations=20,
        first_tensions=(),
        tension=0.0,
        weld=1e-3,
        shake=3e-3,
    )
    result = improve_tiles(tiles, HEPTAGONS.forbidden, settings=settings)
    assert result.is_certified and 0 < result.removed < PUBLISHED
