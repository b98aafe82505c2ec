"""The study `sos-dataset`: a grid of families in, Arrow shards of polynomials out.

*generate* makes one call per shard. A failed shard is a card with a status; the others continue.
Running it again makes the shards that are missing, damaged or not ok, with the same bytes.

The grids are points of the published ones, written with half degrees: n in 4..20 with (d, m) =
(6, 30); n = 8 with d in 2..10 and m in 10, 20, 30; (6, 10, 60), (100, 5, 20), (6, 10, 40),
(6, 20, 40), and the columns (4, 3, 20), (6, 6, 30), (8, 10, 30), (6, 10, 60) of the published
tables.
"""

from __future__ import annotations

from flows.study import Stage, Study, recipes_of

__all__ = ["STUDY"]

STUDY = Study(
    name="sos-dataset",
    summary="Random polynomials with known bases, as data sets to train on.",
    citations=("NSOS",),
    config="tasks.sos.sampling.datasets:DatasetConfig",
    selecting=("families", "grid", "rows", "shard_size"),
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
    recipes=recipes_of("sos-dataset"),
)
