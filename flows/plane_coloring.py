"""The study `plane-coloring`: colors and distances in, proved colorings of the plane out.

*search* trains batches of colorings of a torus, or looks at a given grid; *cells* makes proper
colorings of cells of the best of each batch; *finer* refines the best of all, and makes polygons of
them; *verify* reads every certificate with two checkers that share no code.
"""

from __future__ import annotations

from flows.study import Argument, Command, Stage, Study, Verifier, exporting, recipes_of

__all__ = ["COMMANDS", "PLAN", "STAGES", "STUDY", "TABLES", "VERIFIER"]

PLAN = "tasks.coloring.plan"
_RUN, _SCHEMA = "tasks.coloring.run", "tasks.coloring.schema"

TABLES = {
    "runs": f"{_SCHEMA}:RUNS_SCHEMA",
    "constructions": f"{_SCHEMA}:CONSTRUCTIONS_SCHEMA",
    "verification": f"{_SCHEMA}:VERIFICATION_SCHEMA",
    "records": f"{_SCHEMA}:RECORDS_SCHEMA",
}
STAGES = (
    Stage(
        "search",
        f"{_RUN}:search_rows",
        ("runs",),
        items=f"{PLAN}:search_items",
        known=f"{PLAN}:known_of_search",
        placed=True,
        resources=f"{PLAN}:search_resources",
    ),
    Stage(
        "cells",
        f"{_RUN}:cells_rows",
        ("constructions",),
        items=f"{PLAN}:cells_items",
        known=f"{PLAN}:known_of_construction",
        needs=("runs",),
        placed=True,
    ),
    Stage(
        "finer",
        f"{_RUN}:finer_rows",
        ("constructions",),
        waves=f"{PLAN}:finer_waves",
        known=f"{PLAN}:known_of_construction",
        needs=("constructions",),
        placed=True,
    ),
    Stage(
        "verify",
        "tasks.coloring.verify:verification_rows",
        ("verification", "records"),
        items=f"{PLAN}:check_items",
        known=f"{PLAN}:known_of_check",
        needs=("constructions",),
        placed=True,
    ),
)
VERIFIER = Verifier(
    "plane-coloring",
    "tasks.coloring.verdicts:judge",
    (Argument("second", "check colorings of the plane with the second checker, too"),),
)
COMMANDS = (
    exporting("tasks.coloring.exports:export"),
    Command(
        "plot",
        "draw the colorings of a run as PNG, SVG and PDF",
        "tasks.coloring.exports:plot",
        (Argument("to", "folder of the files; default: in the run's folder", "FOLDER"),),
    ),
    Command("gallery", "write a page with a picture of every coloring", "tasks.coloring.exports:gallery"),
)

STUDY = Study(
    name="plane-coloring",
    summary="Colorings of the plane that avoid distances: searched, repaired, proved.",
    citations=("ColoredPlanes", "SixColorings"),
    config="tasks.coloring.config:PlaneColoringConfig",
    unnamed=("device",),
    selecting=("seeds", "first_seed", "penalties", "refined"),
    inputs=f"{PLAN}:coloring_inputs",
    keys=f"{PLAN}:item_keys",
    check=f"{PLAN}:check_coloring",
    tables=TABLES,
    stages=STAGES,
    report="tasks.coloring.report:coloring_report",
    figures="tasks.coloring.report:coloring_figures",
    subject="coloring",
    deployment="plane-coloring",
    commands=COMMANDS,
    verifiers=(VERIFIER,),
    recipes=recipes_of("plane-coloring"),
)
