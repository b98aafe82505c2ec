"""The study `sos-dataset`: a grid of families in, Arrow shards of polynomials out.

*generate* takes one call per shard. A shard that fails is a card with a status; the others go on.
Running it again makes the shards that are missing, damaged or not ok, with the same bytes.

The grids are points of the published ones, written with half degrees: n in 4..20 with (d, m) =
(6, 30); n = 8 with d in 2..10 and m in 10, 20, 30; (6, 10, 60), (100, 5, 20), (6, 10, 40),
(6, 20, 40), and the columns (4, 3, 20), (6, 6, 30), (8, 10, 30), (6, 10, 60) of the published
tables.
"""

from __future__ import annotations

from flows.study import Recipe, Stage, Study

__all__ = ["PUBLISHED_GRID", "STUDY", "TABLE_POINTS"]

CANCELLATION = (
    "homogeneous",
    "integer",
    "minimum",
    "vanishing",
    "binomial_squares",
    "multiplied",
    "lyapunov",
    "banded",
)
NONE = ("negative", "outside_cone")
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
MIDDLE = ("n6-d10-m30",)
SMALL = ("n3-d4-m8", "n4-d3-m10")

STUDY = Study(
    name="sos-dataset",
    summary="Random polynomials with known bases, as data sets to train on.",
    citations=("NSOS",),
    config="tasks.sos.sampling.datasets:DatasetConfig",
    selecting=("families", "grid", "rows", "shard_rows"),
    inputs="tasks.sos.sampling.datasets:dataset_inputs",
    tables={
        "polynomials": "tasks.sos.sampling.schema:polynomials_schema",
        "cards": "tasks.sos.sampling.schema:CARDS_SCHEMA",
    },
    stages=(
        Stage(
            "generate",
            "tasks.sos.sampling.datasets:dataset_rows",
            ("cards", "polynomials"),
            items="tasks.sos.sampling.datasets:dataset_items",
            known="tasks.sos.sampling.datasets:known_of_shard",
            tally="tasks.sos.sampling.report:DatasetTally",
        ),
    ),
    report="tasks.sos.sampling.report:dataset_report",
    figures="tasks.sos.sampling.report:dataset_figures",
    subject="shard",
    deployment="sos-dataset",
    recipes=(
        Recipe(
            "dataset-million",
            "a million polynomials, n = 6, half degree 10, four structures (a minute of 2 cores)",
            {"grid": MIDDLE, "rows": 250_000},
            {"grid": MIDDLE, "rows": 250, "shard_rows": 100},
        ),
        Recipe(
            "dataset-tables",
            "the four points of the published tables, 16 million polynomials",
            {"grid": TABLE_POINTS},
            {"grid": SMALL, "rows": 500, "shard_rows": 250},
        ),
        Recipe(
            "dataset-published",
            f"all {len(PUBLISHED_GRID)} published points, {4 * len(PUBLISHED_GRID)} million "
            "polynomials",
            {"grid": PUBLISHED_GRID},
            {"grid": PUBLISHED_GRID[::6], "rows": 50},
        ),
        Recipe(
            "dataset-cancellation",
            "families in which terms cancel, 3.2 million polynomials with their terms",
            {
                "families": CANCELLATION,
                "grid": ("n3-d5-m15", "n4-d6-m20", "n6-d6-m30", "n8-d4-m30"),
                "rows": 100_000,
                "mode": "expanded",
                "shard_rows": 10_000,
            },
            {
                "families": CANCELLATION,
                "grid": SMALL,
                "rows": 100,
                "mode": "expanded",
                "shard_rows": 100,
            },
        ),
        Recipe(
            "dataset-negatives",
            "polynomials that are no sums of squares, 600,000",
            {"families": NONE, "grid": ("n3-d5-m15", "n4-d6-m20", "n6-d6-m30"), "rows": 100_000},
            {"families": NONE, "grid": SMALL, "rows": 100},
        ),
    ),
)
