"""The study `imp`: pruning with retraining, schedules x budgets x sparsities.

*train* has two waves: the dense networks, then one call per schedule, budget, sparsity and
repetition; also BIMP, GMP and DPF with as many steps in all. *verify* reads every model again.
"""

from __future__ import annotations

from flows.sparse_soup import EXPORT_SWITCHES, PREDICT, TABLES, UNNAMED, pruning_stages
from flows.study import Study, exporting, recipes_of

__all__ = ["STUDY"]

STUDY = Study(
    name="imp",
    summary="Pruning with retraining: schedules, budgets and sparsities side by side.",
    citations=("BIMP",),
    config="tasks.pruning.config:ImpConfig",
    unnamed=UNNAMED,
    selecting=("seeds", "sparsities", "schedules", "methods", "retrain_epochs"),
    inputs="tasks.nn.plan:data_inputs",
    keys="tasks.pruning.plan:item_keys",
    check="tasks.pruning.plan:check_pruning",
    tables=TABLES,
    stages=pruning_stages("tasks.pruning.run:imp_rows"),
    report="tasks.pruning.report:imp_report",
    figures="tasks.pruning.report:imp_figures",
    deployment="imp",
    commands=(exporting("tasks.pruning.exports:export_models", *EXPORT_SWITCHES),),
    tools=(PREDICT,),
    recipes=recipes_of("imp"),
)
