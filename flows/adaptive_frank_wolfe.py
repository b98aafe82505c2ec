"""The study `adaptive-frank-wolfe`: projection-free methods beside projected ones, to exact optima.

*optimum* finds the optimum of every problem with the gap that proves it, *choose* the rates of
methods that have one, on batches of their own, *descend* runs every method, once for each
repetition if it is stochastic; *verify* checks the optima by other code.
"""

from __future__ import annotations

from flows.study import Stage, Study, recipes_of

__all__ = ["STUDY"]

STUDY = Study(
    name="adaptive-frank-wolfe",
    summary="Adaptive Frank-Wolfe methods beside their rivals, on problems with exact optima.",
    citations=("AdaSFW", "SFW", "SVRF", "CSFW", "AwayFW"),
    config="tasks.frankwolfe.adaptive.config:AdaptiveConfig",
    selecting=("problems", "methods", "seeds", "regions"),
    inputs="tasks.frankwolfe.adaptive.plan:adaptive_inputs",
    keys="tasks.frankwolfe.adaptive.plan:item_keys",
    check="tasks.frankwolfe.adaptive.plan:check_adaptive",
    tables={
        "optima": "tasks.frankwolfe.adaptive.schema:OPTIMA_SCHEMA",
        "choices": "tasks.frankwolfe.adaptive.schema:CHOICES_SCHEMA",
        "runs": "tasks.frankwolfe.adaptive.schema:RUNS_SCHEMA",
        "curve": "tasks.frankwolfe.adaptive.schema:CURVE_SCHEMA",
        "verification": "tasks.frankwolfe.adaptive.schema:VERIFICATION_SCHEMA",
    },
    stages=(
        Stage(
            "optimum",
            "tasks.frankwolfe.adaptive.run:optimum_rows",
            ("optima",),
            items="tasks.frankwolfe.adaptive.plan:target_items",
            known="tasks.frankwolfe.adaptive.plan:known_of_target",
            prepare="tasks.frankwolfe.adaptive.run:prepare",
        ),
        Stage(
            "choose",
            "tasks.frankwolfe.adaptive.run:choice_rows",
            ("choices",),
            items="tasks.frankwolfe.adaptive.plan:choice_items",
            known="tasks.frankwolfe.adaptive.plan:known_of_choice",
            prepare="tasks.frankwolfe.adaptive.run:prepare",
            needs=("optima",),
        ),
        Stage(
            "descend",
            "tasks.frankwolfe.adaptive.run:descent_rows",
            ("runs", "curve"),
            items="tasks.frankwolfe.adaptive.plan:descent_items",
            known="tasks.frankwolfe.adaptive.plan:known_of_descent",
            prepare="tasks.frankwolfe.adaptive.run:prepare",
            needs=("optima", "choices"),
        ),
        Stage(
            "verify",
            "tasks.frankwolfe.adaptive.verify:verification_rows",
            ("verification",),
            items="tasks.frankwolfe.adaptive.plan:target_items",
            known="tasks.frankwolfe.adaptive.plan:known_of_check",
            needs=("optima",),
        ),
    ),
    report="tasks.frankwolfe.adaptive.report:adaptive_report",
    figures="tasks.frankwolfe.adaptive.report:adaptive_figures",
    subject="descent",
    deployment="adaptive-frank-wolfe",
    recipes=recipes_of("adaptive-frank-wolfe"),
)
