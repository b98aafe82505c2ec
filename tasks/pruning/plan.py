"""Plans of the studies `sparse-soup` and `imp`: waves of linked items, shared models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tasks.pruning.config import TrainingConfig
from tasks.pruning.items import (
    AnyItem,
    CheckpointBytes,
    ImpItem,
    ModelCheck,
    PruningItem,
    checkpoint_path,
    planned_items,
)
from tasks.records.rows import Row
from tasks.records.status import Status
from tasks.records.work import Item, Plan, Wave

if TYPE_CHECKING:
    from tasks.records.stored import Stored

__all__ = [
    "check_pruning",
    "item_keys",
    "known_of_model",
    "link",
    "pruning_waves",
    "shared_checkpoints",
    "shared_model",
    "verification_items",
]

_Linked = TypeVar("_Linked", bound=PruningItem)


def item_keys(plan: Plan) -> list[str]:
    """Keys of all items in planned order."""
    return [item.key for items in planned_items(plan.config).values() for item in items]


def pruning_waves(plan: Plan, stored: Stored) -> Iterator[Wave]:
    """Waves of items, each linked to the checkpoints that stored rows name."""
    for title, items in planned_items(plan.config).items():
        rows = stored.rows("models")
        linked = [link(item, rows) for item in items]
        shares = shared_checkpoints(linked)
        yield Wave([_work(item, plan.value, shares.get(item.key, ())) for item in linked], title)


def verification_items(plan: Plan) -> list[Item]:
    """One item for each item of training."""
    return [Item(key, ModelCheck(key, plan.config)) for key in item_keys(plan)]


def check_pruning(config: TrainingConfig, address: str = "") -> None:
    """Refuse what cannot be trained.

    Parameters
    ----------
    address : str
        Where calls would run.

    Raises
    ------
    InputError
        If files of the data are missing or damaged, if the network does not fit them, if there are
        too few for a batch or none for validation, if steps are too few for the prunings or a
        member, if a layer would be left empty, or if the device is missing.
    """
    from tasks.pruning.rehearsal import rehearse

    rehearse(config, address)


# --- linking ------------------------------------------------------------------------------------


def link(item: _Linked, rows: Iterable[Row]) -> _Linked:
    """The item with the ids of its parents, from stored rows of models."""
    found = {
        (row["method"], row["phase"], row["member"]): row["checkpoint"]
        for row in rows
        if row["replicate"] == item.replicate and row["status"] == Status.OK and row["checkpoint"]
    }
    named = [
        replace(p, checkpoint=found.get((p.method, p.phase, p.member), "")) for p in item.parents
    ]
    return replace(
        item,
        parents=tuple(parent for parent in named if parent.checkpoint),
        missing=tuple(parent for parent in named if not parent.checkpoint),
    )


def shared_checkpoints(items: Sequence[PruningItem]) -> dict[str, tuple[str, ...]]:
    """Key -> id of the one model that an item starts from, for models that several start from.

    Members of a soup start from one pruned network, cells of a comparison from one dense one.
    """
    starts = {item.key: item.checkpoints[0] for item in items if len(item.parents) == 1}
    counts = Counter(starts.values())
    return {key: (checkpoint,) for key, checkpoint in starts.items() if counts[checkpoint] > 1}


def shared_model(stored: Stored, checkpoint: str) -> CheckpointBytes:
    """A stored model as bytes; on a local disk these are mapped, and read when needed."""
    content = stored.run.volume.read(checkpoint_path(checkpoint))
    return CheckpointBytes(checkpoint, np.frombuffer(content, dtype=np.uint8))


def known_of_model(item: AnyItem) -> list[Row]:
    """What is known of an item that failed as a whole: a row of ``models``."""
    return [
        {
            "item": item.key,
            "method": item.method,
            "replicate": item.replicate,
            "phase": item.phase,
            "member": item.member,
            "parents": item.checkpoints,
        }
    ]


def _work(item: AnyItem, images: str | None, shares: tuple[str, ...]) -> Item:
    cell = item.cell if isinstance(item, ImpItem) else None
    origin: dict[str, Any] = {
        "images": images,
        "parents": item.checkpoints,
        "cell": asdict(cell) if cell else None,
    }
    return Item(item.key, item, origin, shares=shares)
