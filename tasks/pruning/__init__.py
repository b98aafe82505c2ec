"""Pruning with retraining, and sparse model soups.

This package's own names need no PyTorch: configs, plans and the arithmetic of cycles.  The science
is in its modules: `criteria` (masks), `branches` and `stacked` (retraining of members), `merging`,
`soups` and `imp` (phases), `dynamic` (GMP, DPF), `sparse_models` (files), `verify`; and `language`,
where language models are pruned and a little retrained.

>>> from tasks.pruning import imp_sparsities
>>> [round(s, 4) for s in imp_sparsities(0.98, 3)]
[0.7286, 0.9263, 0.98]
"""

from typing import TYPE_CHECKING

from tasks.records.lazy import lazy_exports

if TYPE_CHECKING:
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
        ImpItem,
        Parent,
        SoupItem,
        checkpoint_path,
        imp_items,
        soup_items,
    )
    from tasks.pruning.plan import check_pruning, link, shared_checkpoints
    from tasks.pruning.schema import (
        CURVE_SCHEMA,
        DISTANCES_SCHEMA,
        MODELS_SCHEMA,
        VERIFICATION_SCHEMA,
    )

__all__ = [
    "CHECKPOINTS",
    "CURVE_SCHEMA",
    "DISTANCES_SCHEMA",
    "MODELS_SCHEMA",
    "VERIFICATION_SCHEMA",
    "Cell",
    "CheckpointBytes",
    "Course",
    "Cycle",
    "ImpConfig",
    "ImpItem",
    "Parent",
    "SoupConfig",
    "SoupItem",
    "TrainingConfig",
    "check_pruning",
    "checkpoint_path",
    "gmp_sparsities",
    "imp_items",
    "imp_sparsities",
    "link",
    "plan_course",
    "shared_checkpoints",
    "soup_items",
    "split_budget",
]

__getattr__ = lazy_exports(__name__, __file__)
