"""Polygons that remove nothing: as cells, and for the widest intervals that are found."""

from fractions import Fraction
from functools import partial
from types import SimpleNamespace

import pytest

from tasks.coloring import REMOVED, CellColoring, parse_distances, verify_certificate
from tasks.coloring.certificates.constructions import construction
from tasks.coloring.construction.polygons import cells_from_tiles, wide_intervals
from tasks.coloring.construction.polygons.cells_from_tiles import (
    full_coloring,
    sampled_tiles,
    stretched,
)
from tasks.coloring.construction.polygons.polygons_from_grid import PolygonSettings
from tasks.coloring.construction.polygons.wide_intervals import widest_coloring, without_removed
from tasks.records import InputError

SEVEN = construction("hex7")


@pytest.fixture(scope="module")
def grid():
    return sampled_tiles(SEVEN, (96, 96))


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch):
    """Polygons that are moved a few times, for one width."""
    coarse = partial(PolygonSettings, rounds=1, smoothing=0.05)
    for module in (cells_from_tiles, wide_intervals):
        monkeypatch.setattr(module, "PolygonSettings", coarse)
    monkeypatch.setattr(cells_from_tiles, "_WIDTHS", (Fraction(1, 50),))


def test_hexagons_become_cells_that_remove_nothing(grid):
    found = full_coloring(grid, SEVEN.lattice, 7, parse_distances(None, 7), spacing=0.3)
    assert isinstance(found, CellColoring) and not (found.grid == REMOVED).any()
    assert verify_certificate(found).valid


def test_the_interval_of_a_color_is_widened_while_nothing_is_removed(grid):
    forbidden = parse_distances(None, 7)
    found = widest_coloring(grid, SEVEN.lattice, forbidden, [2], 0.3, [Fraction(1, 100)])
    assert found is not None and verify_certificate(found).valid and found.removed == 0
    (interval,) = found.forbidden[2]
    assert float(interval.low) <= 0.99 and float(interval.high) >= 1.01
    others = [color for color in range(7) if color != 2]
    assert [found.forbidden[c] for c in others] == [forbidden[c] for c in others]


def test_polygons_that_remove_something_or_cannot_be_made_are_none(grid, monkeypatch):
    forbidden = parse_distances(None, 7)
    lossy = SimpleNamespace(coloring=SEVEN, is_certified=True, removed=Fraction(1, 100))

    def refused(*given, **settings):
        raise InputError("no tile is left")

    for made in (lambda *given, **settings: lossy, refused):
        monkeypatch.setattr(wide_intervals, "polygons_from_grid", made)
        assert without_removed(grid, SEVEN.lattice, forbidden, 0.2) is None
        assert widest_coloring(grid, SEVEN.lattice, forbidden, [0], 0.2) is None


def test_intervals_are_stretched_outwards():
    forbidden = parse_distances(["sqrt(5/4)", "0.4-0.5"], 2)
    for given, wider in zip(forbidden.intervals, stretched(forbidden, Fraction(1, 100)).intervals,
                            strict=True):  # fmt: skip
        (own,), (wide,) = given, wider
        assert float(wide.low) <= 0.99 * float(own.low)
        assert 1.01 * float(own.high) <= float(wide.high)
