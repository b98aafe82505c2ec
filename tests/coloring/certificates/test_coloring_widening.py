"""The largest interval of distances that a color of cells may forbid."""

import numpy as np
import pytest

from tasks.coloring.certificates.cells import CellColoring, verify_cells
from tasks.coloring.certificates.widening import widened


@pytest.fixture
def squares():
    """4 x 4 cells of side 1/4; color 1 is one of them, color 0 the others, and forbids little."""
    grid = np.zeros((4, 4), dtype=np.uint8)
    grid[1, 2] = 1
    return CellColoring.of(grid, [[1, 0], [0, 1]], 2, {"0": "0.0001", "1": "0.5"})


def test_a_color_may_forbid_all_between_a_cell_and_its_translates(squares):
    """One cell holds distances below sqrt(2)/4, and it and a translate those above 3/4."""
    low, high = widened(squares, 1).forbidden[1][0].floats
    assert low == pytest.approx(np.sqrt(2) / 4, abs=3e-9) and low >= np.sqrt(2) / 4
    assert high == pytest.approx(0.75, abs=3e-9) and high <= 0.75


def test_the_wider_interval_is_valid_and_one_step_more_is_not(squares):
    wide = widened(squares, 1)
    [interval] = wide.forbidden[1]
    lone = CellColoring.of(np.where(wide.grid == 1, 0, 255), [[1, 0], [0, 1]], 1, [[interval]])
    assert verify_cells(lone).valid
    low, high = interval.floats
    for worse in (f"{low - 1e-6:.9f}-{high:.9f}", f"{low + 1e-6:.9f}-{high + 1e-6:.9f}"):
        assert not verify_cells(CellColoring.of(lone.grid, [[1, 0], [0, 1]], 1, worse)).valid


def test_a_tight_interval_stays_as_it_is():
    """In the maximum norm half-open squares of side 1 avoid just 1."""
    from tasks.coloring.certificates.norms import PolygonalNorm

    grid = np.array([[0, 1], [2, 3]], dtype=np.uint8)
    tight = CellColoring.of(grid, [[2, 0], [0, 2]], 4, norm=PolygonalNorm.maximum())
    assert verify_cells(tight).valid
    assert widened(tight, 0).forbidden[0] == tight.forbidden[0]
