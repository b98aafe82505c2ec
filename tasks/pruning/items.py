"""Items of work of the flows `sparse-soup` and `imp`, and what each needs from others.

Per repetition a soup is a line of phases; an arrow means that the right item needs the left one:

    dense -> pruned -> member 0..m-1 -> soup (and ensemble) -> pruned -> ...
    member 0..m-1 of phase 1 -> imp 0..m-1 of phase 2 -> imp 0..m-1 of phase 3 -> ...
    imp 0..m-1 -> reprune                 dense -> long -> long -> ...

An item is a pure function of its config and of the checkpoints that it names by id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tasks.pruning.config import ImpConfig, SoupConfig, TrainingConfig
from tasks.records import RunIdentity, Status

__all__ = [
    "CHECKPOINTS",
    "Cell",
    "CheckpointBytes",
    "Need",
    "PruningItem",
    "checkpoint_path",
    "imp_items",
    "link",
    "shared_checkpoints",
    "soup_items",
]

CHECKPOINTS = "checkpoints"
"""Folder of the files of models within the folder of a run."""
NO_SCHEDULE = ""


@dataclass(frozen=True)
class Need:
    """A model that another one is made from.

    Attributes
    ----------
    method : str
    phase, member : int
    checkpoint : str
        Its id, once it is known.
    """

    method: str
    phase: int = 0
    member: int = 0
    checkpoint: str = ""


@dataclass(frozen=True, eq=False)
class CheckpointBytes:
    """A stored model that travels with a call instead of being read there.

    Attributes
    ----------
    checkpoint : str
        Its id.
    content : ndarray of uint8
        Bytes of its file.
    """

    checkpoint: str
    content: np.ndarray


@dataclass(frozen=True)
class Cell:
    """A cell of the comparison of flow `imp`.

    Attributes
    ----------
    host : str
    schedule : str
        Retraining of ``imp``; empty for the others.
    budget : float
        Epochs of retraining after every pruning.
    target : float
        Final sparsity.
    """

    host: str
    schedule: str
    budget: float
    target: float

    @property
    def method(self) -> str:
        """Name in the table of models."""
        return f"{self.host}-{self.schedule}" if self.schedule else self.host


@dataclass(frozen=True)
class PruningItem:
    """One call on a worker.

    Attributes
    ----------
    key : str
    kind : str
    replicate, phase, member : int
    config : TrainingConfig
    identity : RunIdentity
    needs : tuple of Need
        What it is made from.
    least : int
        How many of these suffice.
    cell : Cell or None
    folder : str
        Of the run, path or URI.
    device : str
    problem : str
        Why it cannot be done, if too much of what it needs is missing.
    note : str
        What is missing although it can be done.
    """

    key: str
    kind: str
    replicate: int
    config: TrainingConfig
    identity: RunIdentity
    phase: int = 0
    member: int = 0
    needs: tuple[Need, ...] = ()
    least: int = 0
    cell: Cell | None = None
    folder: str = ""
    device: str = "cpu"
    problem: str = ""
    note: str = ""


def soup_items(config: SoupConfig, identity: RunIdentity) -> dict[str, list[PruningItem]]:
    """Stage -> items, stages in the order in which they run."""
    make = _Maker(config, identity)
    stages = {"pretrain": [make.item("pretrain", r) for r in range(config.seeds)]}
    for phase in range(1, config.phases + 1):
        repeats = range(config.seeds)
        stages[f"prune {phase}"] = [_prune(make, r, phase) for r in repeats]
        stages[f"retrain {phase}"] = [i for r in repeats for i in _retrain(make, config, r, phase)]
        stages[f"merge {phase}"] = [i for r in repeats for i in _merge(make, config, r, phase)]
    return stages


def imp_items(config: ImpConfig, identity: RunIdentity) -> dict[str, list[PruningItem]]:
    """Stage -> items: the dense networks, then all cells."""
    make = _Maker(config, identity)
    cells = [
        Cell(host, schedule, budget, target)
        for host in dict.fromkeys(config.methods)
        for schedule in (dict.fromkeys(config.schedules) if host == "imp" else (NO_SCHEDULE,))
        for budget in dict.fromkeys(config.retrain_epochs)
        for target in dict.fromkeys(config.sparsities)
    ]
    dense = (Need("dense"),)
    return {
        "pretrain": [make.item("pretrain", r) for r in range(config.seeds)],
        "compare": [
            replace(
                make.item(f"{cell.method}.e{_digits(cell.budget)}.t{_digits(cell.target)}", r),
                kind="cell",
                cell=cell,
                phase=config.cycles,
                needs=dense if cell.host == "imp" else (),
                least=1 if cell.host == "imp" else 0,
            )
            for r in range(config.seeds)
            for cell in cells
        ],
    }


def link(item: PruningItem, rows: Iterable[Mapping[str, Any]]) -> PruningItem:
    """The item with the ids of the checkpoints it needs, from stored rows of models."""
    found = {
        (row["method"], row["phase"], row["member"]): row["checkpoint"]
        for row in rows
        if row["replicate"] == item.replicate and row["status"] == Status.OK and row["checkpoint"]
    }
    places = [(need.method, need.phase, need.member) for need in item.needs]
    there = [
        replace(need, checkpoint=found[place])
        for need, place in zip(item.needs, places, strict=True)
        if place in found
    ]
    lost = [_words(place) for place in places if place not in found]
    item = replace(item, needs=tuple(there))
    if len(there) < item.least:
        return replace(item, problem=f"{', '.join(lost)} failed or is missing")
    note = f"{len(there)} of {len(places)} members: without {', '.join(lost)}" if lost else ""
    return replace(item, note=note)


def shared_checkpoints(items: Sequence[PruningItem]) -> dict[str, tuple[str, ...]]:
    """Key -> id of the one model that an item starts from, for models that several start from.

    Members of a soup start from one pruned network, cells of a comparison from one dense one.
    """
    starts = {item.key: item.needs[0].checkpoint for item in items if len(item.needs) == 1}
    counts = Counter(starts.values())
    return {key: (checkpoint,) for key, checkpoint in starts.items() if counts[checkpoint] > 1}


def checkpoint_path(checkpoint: str) -> str:
    """Place of the file of a model within the folder of a run."""
    return f"{CHECKPOINTS}/{checkpoint}.safetensors"


@dataclass(frozen=True)
class _Maker:
    config: TrainingConfig
    identity: RunIdentity

    def item(
        self,
        kind: str,
        replicate: int,
        phase: int = 0,
        *,
        member: int = -1,
        needs: Sequence[Need] = (),
        least: int | None = None,
    ) -> PruningItem:
        """An item with its key."""
        parts = [kind, f"s{replicate}"]
        parts += [f"p{phase}"] if phase else []
        parts += [f"m{member}"] if member >= 0 else []
        return PruningItem(
            ".".join(parts),
            kind,
            replicate,
            self.config,
            self.identity,
            phase=phase,
            member=max(member, 0),
            needs=tuple(needs),
            least=len(needs) if least is None else least,
        )


def _prune(make: _Maker, replicate: int, phase: int) -> PruningItem:
    need = Need("soup", phase - 1) if phase > 1 else Need("dense")
    return make.item("prune", replicate, phase, needs=[need])


def _retrain(make: _Maker, config: SoupConfig, replicate: int, phase: int) -> list[PruningItem]:
    pruned = [Need("pruned", phase)]
    if config.branches == "stacked":
        items = [make.item("stack", replicate, phase, needs=pruned)]
    else:
        items = [
            make.item("branch", replicate, phase, member=j, needs=pruned)
            for j in range(config.members)
        ]
    if phase > 1:
        before = "imp" if phase > 2 else "member"
        items += [
            make.item("imp", replicate, phase, member=j, needs=[Need(before, phase - 1, j)])
            for j in _chains(config)
        ]
    if "long" in config.baselines:
        need = Need("long", phase - 1) if phase > 1 else Need("dense")
        items.append(make.item("long", replicate, phase, needs=[need]))
    return items


def _merge(make: _Maker, config: SoupConfig, replicate: int, phase: int) -> list[PruningItem]:
    members = [Need("member", phase, j) for j in range(config.members)]
    least = config.min_branches
    items = [make.item("merge", replicate, phase, needs=members, least=least)]
    if "reprune" in config.baselines:
        method = "imp" if phase > 1 else "member"
        chains = [Need(method, phase, j) for j in range(config.members)]
        items.append(make.item("reprune", replicate, phase, needs=chains, least=least))
    return items


def _chains(config: SoupConfig) -> range:
    """Lines of iterative pruning that are trained on their own."""
    if "reprune" in config.baselines:
        return range(config.members)
    return range(1 if "imp" in config.baselines else 0)


def _digits(number: float) -> str:
    """The number, exactly, and without a trailing .0."""
    short = f"{number:g}"
    return short if float(short) == number else repr(number)


def _words(place: tuple[str, int, int]) -> str:
    method, phase, member = place
    return f"{method} {member} of phase {phase}" if phase else method
