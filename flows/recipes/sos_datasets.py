"""Recipes of the flow `sos-dataset`.

Points of the published grids, written with half degrees: n in 4..20 with (d, m) = (6, 30); n = 8
with d in 2..10 and m in 10, 20, 30; (6, 10, 60), (100, 5, 20), (6, 10, 40), (6, 20, 40), and the
columns (4, 3, 20), (6, 6, 30), (8, 10, 30), (6, 10, 60) of the published tables.
"""

from __future__ import annotations

from flows.recipes import Recipe
from tasks.sos.sampling.cells import SUMS_OF_SQUARES
from tasks.sos.sampling.datasets import DatasetConfig

__all__ = ["CANCELLATION", "PUBLISHED_GRID", "RECIPES", "TABLE_POINTS"]

CANCELLATION = SUMS_OF_SQUARES[4:]
TABLE_POINTS = ("n4-d3-m20", "n6-d6-m30", "n8-d10-m30", "n6-d10-m60")
PUBLISHED_GRID = tuple(
    dict.fromkeys(
        (
            *TABLE_POINTS,
            *(f"n{n}-d6-m30" for n in range(4, 21, 2)),
            *(f"n8-d{d}-m{m}" for d in range(2, 11) for m in (10, 20, 30)),
            *("n100-d5-m20", "n6-d10-m40", "n6-d20-m40"),
        )
    )
)
SMALL = ("n3-d4-m8", "n4-d3-m10")


def published() -> DatasetConfig:
    """A million polynomials of every structure at every point."""
    return DatasetConfig(grid=PUBLISHED_GRID)


def published_smoke() -> DatasetConfig:
    """Every point, a few polynomials."""
    return DatasetConfig(grid=PUBLISHED_GRID[::6], rows=50)


def tables() -> DatasetConfig:
    """The points of the published tables, a million polynomials of every structure."""
    return DatasetConfig(grid=TABLE_POINTS)


def tables_smoke() -> DatasetConfig:
    """Small points."""
    return DatasetConfig(grid=SMALL, rows=500, shard_rows=250)


def million() -> DatasetConfig:
    """A million polynomials in all at the middle point, 250,000 of every structure."""
    return DatasetConfig(grid=("n6-d10-m30",), rows=250_000)


def million_smoke() -> DatasetConfig:
    """The same point, a thousand polynomials."""
    return DatasetConfig(grid=("n6-d10-m30",), rows=250, shard_rows=100)


def cancellation() -> DatasetConfig:
    """The families in which terms cancel, in several dimensions and degrees, expanded."""
    grid = ("n3-d5-m15", "n4-d6-m20", "n6-d6-m30", "n8-d4-m30")
    return DatasetConfig(
        families=CANCELLATION, grid=grid, rows=100_000, mode="expanded", shard_rows=10_000
    )


def cancellation_smoke() -> DatasetConfig:
    """Small points, a few polynomials."""
    return DatasetConfig(
        families=CANCELLATION, grid=SMALL, rows=100, mode="expanded", shard_rows=100
    )


def negatives() -> DatasetConfig:
    """Polynomials that are no sums of squares."""
    grid = ("n3-d5-m15", "n4-d6-m20", "n6-d6-m30")
    return DatasetConfig(families=("negative", "outside_cone"), grid=grid, rows=100_000)


def negatives_smoke() -> DatasetConfig:
    """Small points, a few polynomials."""
    return DatasetConfig(families=("negative", "outside_cone"), grid=SMALL, rows=100)


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "dataset-million",
            "a million polynomials, n = 6, half degree 10, four structures (a minute of 2 cores)",
            million,
            million_smoke,
        ),
        Recipe(
            "dataset-tables",
            "the four points of the published tables, 16 million polynomials",
            tables,
            tables_smoke,
        ),
        Recipe(
            "dataset-published",
            f"all {len(PUBLISHED_GRID)} published points, {4 * len(PUBLISHED_GRID)} million "
            "polynomials",
            published,
            published_smoke,
        ),
        Recipe(
            "dataset-cancellation",
            "families in which terms cancel, 3.2 million polynomials with their terms",
            cancellation,
            cancellation_smoke,
        ),
        Recipe(
            "dataset-negatives",
            "polynomials that are no sums of squares, 600,000",
            negatives,
            negatives_smoke,
        ),
    )
}
