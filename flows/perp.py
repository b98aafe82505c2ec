"""The study `perp`: language models pruned, few parameters retrained, handed back as checkpoints.

*load* trains the tiny models, or looks at given ones; *prune* makes masks, block by block; *adapt*
makes every pruned model better by every method, and retrains the dense ones with as many tokens;
*merge* averages branches; *measure* reads every stored model and takes its perplexity on two texts;
*verify* reads it once more and checks it from its files alone.
"""

from __future__ import annotations

from flows.study import Argument, Stage, Study, exporting, recipes_of

__all__ = ["STUDY"]

_PLAN, _RUN = "tasks.pruning.language.plan", "tasks.pruning.language.run"
_SCHEMA, _REPORT = "tasks.pruning.language.schema", "tasks.pruning.language.report"


def _making(name: str, *tables: str) -> Stage:
    """A stage that makes models from those that are there."""
    return Stage(
        name,
        f"{_RUN}:{name}_rows",
        tables,
        items=f"{_PLAN}:{name}_work",
        known=f"{_PLAN}:known_of_model",
        needs=() if name == "load" else ("models",),
        placed=True,
        resources=f"{_PLAN}:perp_resources",
    )


def _reading(name: str, call: str, table: str, items: str) -> Stage:
    """A stage that reads every model."""
    return Stage(
        name,
        call,
        (table,),
        items=f"{_PLAN}:{items}",
        known=f"{_PLAN}:known_of_check",
        needs=("models",),
        placed=True,
        resources=f"{_PLAN}:perp_resources",
    )


STUDY = Study(
    name="perp",
    summary="Language models pruned: what retraining few parameters wins back, with checkpoints.",
    citations=("PERP", "FreeLunch"),
    config="tasks.pruning.language.config:PerpConfig",
    unnamed=("device", "checkpoint_steps"),
    selecting=("model", "pattern", "criteria", "methods", "baseline", "members", "seeds"),
    inputs=f"{_PLAN}:perp_inputs",
    keys=f"{_PLAN}:item_keys",
    check=f"{_PLAN}:check_perp",
    estimate=f"{_PLAN}:estimate_lines",
    tables={
        "models": f"{_SCHEMA}:MODELS_SCHEMA",
        "layers": f"{_SCHEMA}:LAYERS_SCHEMA",
        "curve": f"{_SCHEMA}:CURVE_SCHEMA",
        "perplexities": f"{_SCHEMA}:PERPLEXITIES_SCHEMA",
        "verification": f"{_SCHEMA}:VERIFICATION_SCHEMA",
    },
    stages=(
        _making("load", "models", "curve"),
        _making("prune", "models", "layers"),
        _making("adapt", "models", "layers", "curve"),
        _making("merge", "models"),
        _reading("measure", f"{_RUN}:measure_rows", "perplexities", "measure_work"),
        _reading(
            "verify",
            "tasks.pruning.language.verify:verification_rows",
            "verification",
            "verification_work",
        ),
    ),
    report=f"{_REPORT}:perp_report",
    figures=f"{_REPORT}:perp_figures",
    commands=(
        exporting(
            "tasks.pruning.language.exports:export_model",
            Argument("compressed", "kept values and bits in place of zeros, with a loader"),
        ),
    ),
    subject="model",
    deployment="perp",
    recipes=recipes_of("perp"),
)
