"""The study `imp`: pruning with retraining, schedules x budgets x sparsities.

*train* has two waves: the dense networks, then one call per schedule, budget, sparsity and
repetition; also BIMP, GMP and DPF with as many steps in all. *verify* reads every model again.
"""

from __future__ import annotations

from flows.sparse_soup import EXPORT, TABLES, UNNAMED, pruning_stages
from flows.study import Recipe, Study

__all__ = ["STUDY"]

SMOKE = {
    "dataset": "synthetic",
    "batch": 60,
    "epochs": 2,
    "sparsities": (0.8,),
    "schedules": ("llr", "allr"),
    "retrain_epochs": (1.0,),
    "updates": 3,
    "recalibration_images": 100,
    "ood_images": 0,
    "seeds": 1,
}

STUDY = Study(
    name="imp",
    summary="Pruning with retraining: schedules, budgets and sparsities side by side.",
    citations=("BIMP",),
    config="tasks.pruning.config:ImpConfig",
    unnamed=UNNAMED,
    selecting=("seeds", "sparsities", "schedules", "methods", "retrain_epochs"),
    inputs="tasks.pruning.plan:pruning_inputs",
    keys="tasks.pruning.plan:item_keys",
    check="tasks.pruning.plan:check_pruning",
    tables=TABLES,
    stages=pruning_stages("tasks.pruning.run:imp_rows"),
    report="tasks.pruning.report:imp_report",
    figures="tasks.pruning.report:imp_figures",
    deployment="imp",
    commands=(EXPORT,),
    recipes=(
        Recipe(
            "schedules-digits",
            "retraining schedules, BIMP, GMP and DPF on small digits",
            {
                "dataset": "digits",
                "sparsities": (0.9, 0.98),
                "epochs": 15,
                "ood_images": 0,
                "recalibration_images": 600,
                "seeds": 3,
            },
            SMOKE,
        ),
        Recipe(
            "schedules-fashion-mnist",
            "the same on 20,000 images of clothes",
            {
                "dataset": "fashion-mnist",
                "num_train": 20_000,
                "batch": 128,
                "epochs": 8,
                "sparsities": (0.95,),
                "pad": 2,
                "flip": True,
                "recalibration_images": 5000,
                "ood_images": 0,
                "seeds": 3,
            },
            SMOKE,
        ),
    ),
)
