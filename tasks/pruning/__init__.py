"""Pruning with retraining, and sparse model soups.

This package's own names need no PyTorch: configs, plans and the arithmetic of cycles.  The science
is in its modules: `criteria` (masks), `branches` and `stacked` (retraining of members), `merging`,
`soups` and `imp` (phases), `dynamic` (GMP, DPF), `sparse_models` (files), `verify`.

>>> from tasks.pruning import imp_sparsities
>>> [round(s, 4) for s in imp_sparsities(0.98, 3)]
[0.7286, 0.9263, 0.98]
"""

from tasks.pruning.config import ImpConfig, SoupConfig, TrainingConfig
from tasks.pruning.cycles import (
    Course,
    Cycle,
    gmp_sparsities,
    imp_sparsities,
    plan_course,
    split_budget,
)
from tasks.pruning.items import (
    CHECKPOINTS,
    Cell,
    CheckpointBytes,
    Need,
    PruningItem,
    checkpoint_path,
    link,
    shared_checkpoints,
)
from tasks.pruning.plan import (
    IMP_FLOW,
    SOUP_FLOW,
    PruningPlan,
    check_pruning,
    is_damaged_model,
    plan_imp,
    plan_soup,
    run_pruning_item,
    verify_pruning_item,
)
from tasks.pruning.schema import (
    CURVE_SCHEMA,
    DISTANCES_SCHEMA,
    MODELS_SCHEMA,
    VERIFICATION_SCHEMA,
)
from tasks.pruning.tables import (
    PRUNING_TABLES,
    VERIFICATION_TABLES,
    failed_pruning_item,
    failed_verification,
)

__all__ = [
    "CHECKPOINTS",
    "CURVE_SCHEMA",
    "DISTANCES_SCHEMA",
    "IMP_FLOW",
    "MODELS_SCHEMA",
    "PRUNING_TABLES",
    "SOUP_FLOW",
    "VERIFICATION_SCHEMA",
    "VERIFICATION_TABLES",
    "Cell",
    "CheckpointBytes",
    "Course",
    "Cycle",
    "ImpConfig",
    "Need",
    "PruningItem",
    "PruningPlan",
    "SoupConfig",
    "TrainingConfig",
    "check_pruning",
    "checkpoint_path",
    "failed_pruning_item",
    "failed_verification",
    "gmp_sparsities",
    "imp_sparsities",
    "is_damaged_model",
    "link",
    "plan_course",
    "plan_imp",
    "plan_soup",
    "run_pruning_item",
    "shared_checkpoints",
    "split_budget",
    "verify_pruning_item",
]
