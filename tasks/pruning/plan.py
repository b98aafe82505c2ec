"""Runs of the flows `sparse-soup` and `imp` before they start."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from tasks.pruning.config import ImpConfig, SoupConfig, TrainingConfig
from tasks.pruning.items import CheckpointBytes, PruningItem, imp_items, soup_items
from tasks.records import InputError, RunIdentity, canonical_json, code_version

__all__ = [
    "IMP_FLOW",
    "SOUP_FLOW",
    "PruningPlan",
    "check_pruning",
    "is_damaged_model",
    "plan_imp",
    "plan_soup",
    "run_pruning_item",
    "verify_pruning_item",
]

SOUP_FLOW, IMP_FLOW = "sparse-soup", "imp"
_NOT_NAMED = {"device", "data_folder", "image_cache", "seed"}
_BUILT_IN = ("digits", "synthetic")
_MISSING = "missing"


@dataclass(frozen=True)
class PruningPlan:
    """A run before it starts.

    Attributes
    ----------
    identity : RunIdentity
    stages : dict
        Name -> items, in the order in which they run.
    """

    identity: RunIdentity
    stages: dict[str, list[PruningItem]] = field(compare=False)

    @property
    def items(self) -> tuple[PruningItem, ...]:
        """All items in planned order."""
        return tuple(item for items in self.stages.values() for item in items)


def plan_soup(config: SoupConfig) -> PruningPlan:
    """Name a run of `sparse-soup` and lay out its phases; missing files are found by the check."""
    identity = _identity(SOUP_FLOW, config)
    return PruningPlan(identity, soup_items(config, identity))


def plan_imp(config: ImpConfig) -> PruningPlan:
    """Name a run of `imp` and lay out its cells; missing files are found by the check."""
    identity = _identity(IMP_FLOW, config)
    return PruningPlan(identity, imp_items(config, identity))


def check_pruning(config: TrainingConfig, address: str = "") -> None:
    """Refuse what cannot be trained.

    Parameters
    ----------
    address : str
        Where calls would run; images are read where the files lie, so it does not matter here.

    Raises
    ------
    InputError
        If files of the data set are missing or damaged, if images are too small for the network,
        if there are too few for a batch or none for validation, if steps are too few for the
        prunings or a member, or if a layer would be left empty.
    """
    del address
    from tasks.pruning.rehearsal import rehearse

    rehearse(config)


def is_damaged_model(folder: str, checkpoint: str) -> bool:
    """Whether the file of a stored model is not what was written, by its digest."""
    from tasks.pruning.sparse_models import is_damaged

    return is_damaged(folder, checkpoint)


def run_pruning_item(item: PruningItem, *shared: CheckpointBytes) -> dict[str, pa.Table]:
    """Tables of one item; see `tasks.pruning.run.run_item`."""
    # Imported here: planning needs no PyTorch.
    from tasks.pruning.run import run_item

    return run_item(item, *shared)


def verify_pruning_item(item: PruningItem) -> dict[str, pa.Table]:
    """Table of the verification of what one item stored; its needs name the checkpoints."""
    from tasks.pruning.verify import verify_item

    return verify_item(item)


def _identity(flow: str, config: TrainingConfig) -> RunIdentity:
    """Identity of a run; the device is no part of it, and of images the content counts."""
    return RunIdentity(
        flow=flow,
        config=canonical_json(config.model_dump(exclude=_NOT_NAMED)),
        inputs=_inputs(config),
        code_version=code_version("tasks.records", "tasks.nn", "tasks.pruning"),
        seed=config.seed,
    )


def _inputs(config: TrainingConfig) -> tuple[tuple[str, str], ...]:
    if config.dataset in _BUILT_IN:
        return ()
    from tasks.pruning.workbench import images_digest, load_images

    try:
        return ((config.dataset, images_digest(load_images(config))),)
    except InputError:
        # A plan can be made and shown without the files; `check_pruning` says what to do.
        return ((config.dataset, _MISSING),)
