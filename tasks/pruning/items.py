"""Items of the studies `sparse-soup` and `imp`, and which models each is made from.

Per repetition a soup is a line of phases; an arrow means that the right item needs the left one:

    dense -> pruned -> member 0..m-1 -> soup (and ensemble) -> pruned -> ...
    member 0..m-1 of phase 1 -> imp 0..m-1 of phase 2 -> imp 0..m-1 of phase 3 -> ...
    imp 0..m-1 -> reprune                 dense -> long -> long -> ...

An item is a function of its config and of the checkpoints that it names by id. These are known when
its wave begins: an item is linked to what earlier waves stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tasks.pruning.config import ImpConfig, SoupConfig, TrainingConfig
from tasks.pruning.cycles import Method

__all__ = [
    "CHECKPOINTS",
    "AnyItem",
    "Cell",
    "CheckpointBytes",
    "ImpItem",
    "ModelCheck",
    "Parent",
    "PruningItem",
    "SoupItem",
    "checkpoint_path",
    "imp_items",
    "planned_items",
    "soup_items",
]

CHECKPOINTS = "checkpoints"
"""Folder of the files of models within the folder of a run."""
Step = Literal["pretrain", "prune", "branch", "stack", "imp", "long", "merge", "reprune", "given"]


@dataclass(frozen=True)
class Parent:
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

    def __str__(self) -> str:
        return f"{self.method} {self.member} of phase {self.phase}" if self.phase else self.method


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
    """A cell of the comparison of `imp`.

    Attributes
    ----------
    method : Method
    schedule : str
        Retraining of ``imp``; empty for the others.
    budget : float
        Epochs of retraining after every pruning.
    target : float
        Final sparsity.
    """

    method: Method
    schedule: str
    budget: float
    target: float

    @property
    def name(self) -> str:
        """Name in the table of models."""
        return f"{self.method}-{self.schedule}" if self.schedule else self.method


@dataclass(frozen=True, kw_only=True)
class PruningItem:
    """One call on a worker.

    Attributes
    ----------
    key : str
    replicate, phase, member : int
    parents : tuple of Parent
        What it is made from.
    least : int
        How many of these suffice.
    missing : tuple of Parent
        Those that are not there, once that is known.
    """

    key: str
    replicate: int
    phase: int = 0
    member: int = 0
    parents: tuple[Parent, ...] = ()
    least: int = 0
    missing: tuple[Parent, ...] = ()

    @property
    def problem(self) -> str:
        """Why it cannot be done, if too much of what it needs is missing."""
        words = ", ".join(map(str, self.missing))
        return f"{words} failed or is missing" if len(self.parents) < self.least else ""

    @property
    def note(self) -> str:
        """What is missing although it can be done."""
        if not self.missing:
            return ""
        total = len(self.parents) + len(self.missing)
        words = ", ".join(map(str, self.missing))
        return f"{len(self.parents)} of {total} members: without {words}"

    @property
    def checkpoints(self) -> list[str]:
        """Ids of its parents."""
        return [parent.checkpoint for parent in self.parents]


@dataclass(frozen=True, kw_only=True)
class SoupItem(PruningItem):
    """A step of a phase of a soup.

    Attributes
    ----------
    step : Step
        Function of `tasks.pruning.soups` that makes its models.
    config : SoupConfig
    """

    step: Step
    config: SoupConfig

    @property
    def method(self) -> str:
        """What stands in the table of models where it failed."""
        return self.step

    @property
    def budget(self) -> float | None:
        """Epochs of retraining after every pruning."""
        return self.config.retrain_epochs if self.phase else None


@dataclass(frozen=True, kw_only=True)
class ImpItem(PruningItem):
    """The dense network of a repetition, or a cell of the comparison.

    Attributes
    ----------
    config : ImpConfig
    cell : Cell or None
        None for the dense network.
    """

    config: ImpConfig
    cell: Cell | None = None

    @property
    def method(self) -> str:
        """What stands in the table of models where it failed."""
        return self.cell.name if self.cell else "pretrain"

    @property
    def budget(self) -> float | None:
        """Epochs of retraining after every pruning."""
        return self.cell.budget if self.cell else None


@dataclass(frozen=True)
class ModelCheck:
    """The models of one item, to be verified."""

    key: str
    config: TrainingConfig


AnyItem = SoupItem | ImpItem


# --- plans --------------------------------------------------------------------------------------


def soup_items(config: SoupConfig) -> dict[str, list[SoupItem]]:
    """Title of a wave -> its items, in the order in which they run."""
    if config.checkpoints:
        return {"merge": [_item(config, "given", 0, 1)]}
    repeats = range(config.seeds)
    waves = {"pretrain": [_item(config, "pretrain", r) for r in repeats]}
    for phase in range(1, config.phases + 1):
        waves[f"prune {phase}"] = [_prune(config, r, phase) for r in repeats]
        waves[f"retrain {phase}"] = [i for r in repeats for i in _retrain(config, r, phase)]
        waves[f"merge {phase}"] = [i for r in repeats for i in _merge(config, r, phase)]
    return waves


def imp_items(config: ImpConfig) -> dict[str, list[ImpItem]]:
    """Title of a wave -> its items: the dense networks, then all cells."""
    cells = [
        Cell(method, schedule, budget, target)
        for method in dict.fromkeys(config.methods)
        for schedule in (dict.fromkeys(config.schedules) if method == "imp" else ("",))
        for budget in dict.fromkeys(config.retrain_epochs)
        for target in dict.fromkeys(config.sparsities)
    ]
    repeats = range(config.seeds)
    return {
        "pretrain": [ImpItem(key=f"pretrain.s{r}", replicate=r, config=config) for r in repeats],
        "compare": [_cell_item(config, cell, r) for r in repeats for cell in cells],
    }


def planned_items(config: TrainingConfig) -> Mapping[str, Sequence[AnyItem]]:
    """The items of a config of either study."""
    if isinstance(config, SoupConfig):
        return soup_items(config)
    if isinstance(config, ImpConfig):
        return imp_items(config)
    raise TypeError(f"{type(config).__name__} is not a config of a study")


def checkpoint_path(checkpoint: str) -> str:
    """Place of the file of a model within the folder of a run."""
    return f"{CHECKPOINTS}/{checkpoint}.safetensors"


# --- items of one phase -------------------------------------------------------------------------


def _item(
    config: SoupConfig,
    step: Step,
    replicate: int,
    phase: int = 0,
    *,
    member: int | None = None,
    parents: Sequence[Parent] = (),
    least: int | None = None,
) -> SoupItem:
    """An item with its key."""
    parts: list[str] = [step, f"s{replicate}"]
    parts += [f"p{phase}"] if phase else []
    parts += [f"m{member}"] if member is not None else []
    return SoupItem(
        key=".".join(parts),
        replicate=replicate,
        phase=phase,
        member=member or 0,
        parents=tuple(parents),
        least=len(parents) if least is None else least,
        step=step,
        config=config,
    )


def _prune(config: SoupConfig, replicate: int, phase: int) -> SoupItem:
    parent = Parent("soup", phase - 1) if phase > 1 else Parent("dense")
    return _item(config, "prune", replicate, phase, parents=[parent])


def _retrain(config: SoupConfig, replicate: int, phase: int) -> list[SoupItem]:
    pruned = [Parent("pruned", phase)]
    if config.branches == "stacked":
        items = [_item(config, "stack", replicate, phase, parents=pruned)]
    else:
        items = [
            _item(config, "branch", replicate, phase, member=j, parents=pruned)
            for j in range(config.members)
        ]
    before = "imp" if phase > 2 else "member"
    for j in _lines(config) if phase > 1 else ():
        parents = [Parent(before, phase - 1, j)]
        items.append(_item(config, "imp", replicate, phase, member=j, parents=parents))
    if "long" in config.baselines:
        parent = Parent("long", phase - 1) if phase > 1 else Parent("dense")
        items.append(_item(config, "long", replicate, phase, parents=[parent]))
    return items


def _merge(config: SoupConfig, replicate: int, phase: int) -> list[SoupItem]:
    least, numbers = config.min_branches, range(config.members)
    members = [Parent("member", phase, j) for j in numbers]
    items = [_item(config, "merge", replicate, phase, parents=members, least=least)]
    if "reprune" in config.baselines:
        lines = [Parent("imp" if phase > 1 else "member", phase, j) for j in numbers]
        items.append(_item(config, "reprune", replicate, phase, parents=lines, least=least))
    return items


def _lines(config: SoupConfig) -> range:
    """Lines of iterative pruning that are trained on their own."""
    if "reprune" in config.baselines:
        return range(config.members)
    return range(1 if "imp" in config.baselines else 0)


def _cell_item(config: ImpConfig, cell: Cell, replicate: int) -> ImpItem:
    parents = (Parent("dense"),) if cell.method == "imp" else ()
    return ImpItem(
        key=f"{cell.name}.e{_digits(cell.budget)}.t{_digits(cell.target)}.s{replicate}",
        replicate=replicate,
        phase=config.cycles,
        parents=parents,
        least=len(parents),
        config=config,
        cell=cell,
    )


def _digits(number: float) -> str:
    """The number, exactly, and without a trailing .0."""
    short = f"{number:g}"
    return short if float(short) == number else repr(number)
