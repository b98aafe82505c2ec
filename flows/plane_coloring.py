"""The study `plane-coloring`: colors and distances in, proved colorings out.

Stages, in rounds: *search* trains batches of colorings of a torus, or looks at a given one;
*construct* makes proper colorings, of cells or polygons, of the best; *refine* makes those finer
that remove least so far; *verify* reads every certificate with two checkers that share no code.
"""

from __future__ import annotations

from dataclasses import replace

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
SELECTING = (
    *("seeds", "first_seed", "rounds", "penalties", "finalists", "polygons", "refined"),
    *("cells", "refinements", "repair_steps", "exchanges", "windows", "finer_refinements"),
    *("spacings", "finer_spacings", "borders"),
)
"""Fields that do not change what a search finds; what is made of it names those that it needs."""

_CONSTRUCT = Stage(
    "construct",
    f"{_RUN}:making_rows",
    ("constructions",),
    waves=f"{PLAN}:making_waves",
    known=f"{PLAN}:known_of_making",
    needs=("runs",),
    placed=True,
)
STAGES = (
    Stage(
        "search",
        f"{_RUN}:search_rows",
        ("runs",),
        waves=f"{PLAN}:search_waves",
        known=f"{PLAN}:known_of_search",
        placed=True,
        resources=f"{PLAN}:search_resources",
    ),
    _CONSTRUCT,
    replace(_CONSTRUCT, name="refine", waves=f"{PLAN}:finer_waves"),
    Stage(
        "verify",
        "tasks.coloring.verify:verification_rows",
        ("verification", "records"),
        waves=f"{PLAN}:check_waves",
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
    exporting("tasks.coloring.interchange.exports:export"),
    Command(
        "plot",
        "draw the figures of a run again",
        "tasks.coloring.drawing.pictures:plot",
        (
            Argument("item", "only this coloring", "KEY"),
            Argument("animate", "of a sweep also frames over the distance, and a moving picture"),
            Argument("to", "folder of the files; default: in the run's folder", "FOLDER"),
        ),
    ),
    Command(
        "gallery",
        "write a page with a picture of every coloring or scheme found",
        "tasks.coloring.drawing.pictures:gallery",
    ),
)

STUDY = Study(
    name="plane-coloring",
    summary="Colorings of the plane that avoid distances: searched, repaired, proved.",
    citations=("ColoredPlanes", "SixColorings"),
    config="tasks.coloring.config:PlaneColoringConfig",
    unnamed=("device",),
    selecting=(*SELECTING, "start", "shake"),
    inputs=f"{PLAN}:coloring_inputs",
    rounds=f"{PLAN}:rounds_of",
    check=f"{PLAN}:check_coloring",
    tables=TABLES,
    stages=STAGES,
    report="tasks.coloring.report:coloring_report",
    figures="tasks.coloring.drawing.run_figures:coloring_figures",
    subject="coloring",
    deployment="plane-coloring",
    commands=COMMANDS,
    verifiers=(VERIFIER,),
    recipes=recipes_of("plane-coloring"),
)
