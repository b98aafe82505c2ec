"""The study `frank-wolfe`: networks trained with constraints, beside SGD, AdamW and Muon.

*train* has two waves: one repetition by which sizes of regions and rates are chosen, then the
chosen ones. *verify* reads every model again and computes its gauges from the file.
"""

from __future__ import annotations

from flows.sparse_soup import EXPORT_SWITCHES, PREDICT, UNNAMED
from flows.study import Stage, Study, exporting, recipes_of

__all__ = ["STUDY"]

STUDY = Study(
    name="frank-wolfe",
    summary="Training with constraints: regions side by side, beside SGD, AdamW and Muon.",
    citations=("SFW",),
    config="tasks.frankwolfe.config:FrankWolfeConfig",
    unnamed=UNNAMED,
    selecting=("seeds", "regions", "rivals", "widths", "rate_factors"),
    inputs="tasks.nn.plan:data_inputs",
    keys="tasks.frankwolfe.plan:item_keys",
    check="tasks.frankwolfe.plan:check_frank_wolfe",
    tables={
        "models": "tasks.frankwolfe.schema:MODELS_SCHEMA",
        "curve": "tasks.frankwolfe.schema:CURVE_SCHEMA",
        "layers": "tasks.frankwolfe.schema:LAYERS_SCHEMA",
        "filters": "tasks.frankwolfe.schema:FILTERS_SCHEMA",
        "certified": "tasks.frankwolfe.schema:CERTIFIED_SCHEMA",
        "verification": "tasks.frankwolfe.schema:VERIFICATION_SCHEMA",
    },
    stages=(
        Stage(
            "train",
            "tasks.frankwolfe.run:training_rows",
            ("models", "curve", "layers", "filters", "certified"),
            waves="tasks.frankwolfe.plan:training_waves",
            known="tasks.frankwolfe.plan:known_of_trial",
            placed=True,
            resources="tasks.nn.plan:training_resources",
        ),
        Stage(
            "verify",
            "tasks.frankwolfe.verify:verification_rows",
            ("verification",),
            items="tasks.frankwolfe.plan:verification_items",
            known="tasks.frankwolfe.plan:known_of_check",
            needs=("models",),
            needs_ok=False,
            placed=True,
        ),
    ),
    report="tasks.frankwolfe.report:frank_wolfe_report",
    figures="tasks.frankwolfe.report:frank_wolfe_figures",
    commands=(exporting("tasks.frankwolfe.exports:export_models", *EXPORT_SWITCHES),),
    tools=(PREDICT,),
    subject="training",
    deployment="frank-wolfe",
    recipes=recipes_of("frank-wolfe"),
)
