"""Items of the study `perp`, and what each is made from.

    load -> prune (criterion, pattern) -> adapt (method, member) -> merge (mean of the members)
    load -> adapt: the dense model retrained with as many tokens

Importing this module needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tasks.pruning.language.config import TINY, PerpConfig, label_of
from tasks.pruning.language.methods import parse_method

__all__ = [
    "ADAPTER",
    "DENSE",
    "PerpItem",
    "adapt_items",
    "load_items",
    "merge_items",
    "prune_items",
]

Step = Literal["load", "prune", "adapt", "merge"]
DENSE = "dense"
ADAPTER = "adapter"
"""Method: a LoRA that was trained elsewhere."""


@dataclass(frozen=True)
class PerpItem:
    """One model to be made.

    Attributes
    ----------
    config : PerpConfig
    step : str
    model : str
        Name or place of the model that it comes from.
    replicate : int
    criterion, pattern : str
        How it is pruned; empty for dense models.
    method : str
        How it is made better; empty for models that are only pruned.
    member : int
        Number of the branch.
    """

    config: PerpConfig
    step: Step
    model: str
    replicate: int = 0
    criterion: str = ""
    pattern: str = ""
    method: str = ""
    member: int = 0

    @property
    def label(self) -> str:
        """What the model is called."""
        return label_of(self.model)

    @property
    def key(self) -> str:
        """Of the item."""
        pruned = f"{self.criterion}-{self.pattern.replace(':', 'of')}" if self.criterion else ""
        base = DENSE if self.method and not self.criterion else pruned
        soup = "soup" if self.step == "merge" else ""
        branch = f"m{self.member}" if self.step == "adapt" and self.member else ""
        words = (self.label, base, self.method, soup, f"{self.replicate}", branch)
        return "-".join(filter(None, words))

    @property
    def parents(self) -> tuple[str, ...]:
        """Keys of the items whose models it is made from."""
        return tuple(item.key for item in self.parent_items())

    def parent_items(self) -> list[PerpItem]:
        """The items whose models it is made from."""
        dense = replace(
            self,
            step="load",
            criterion="",
            pattern="",
            method="",
            member=0,
            replicate=self.replicate if self.model in TINY else 0,
        )
        if self.step == "prune" or (self.step == "adapt" and not self.criterion):
            return [dense]
        if self.step == "adapt":
            return [replace(self, step="prune", method="", member=0)]
        if self.step == "merge":
            return [replace(self, step="adapt", member=j) for j in range(self.config.members)]
        return []

    def place(self) -> dict[str, object]:
        """Columns that say what its rows are about."""
        soup = f"soup of {self.method}" if self.step == "merge" else ""
        return {
            "item": self.key,
            "model": self.label,
            "criterion": self.criterion,
            "pattern": self.pattern,
            "method": soup or self.method or ("pruned" if self.criterion else DENSE),
            "replicate": self.replicate,
            "member": self.member,
        }


Lacking = Mapping[str, Sequence[str]]
"""Label of a model -> words of methods that it has no parameters for."""


def load_items(config: PerpConfig) -> list[PerpItem]:
    """The dense models: tiny ones of every repetition, given ones once."""
    return [
        PerpItem(config, "load", model, replicate)
        for model in config.model
        for replicate in range(config.seeds if model in TINY else 1)
    ]


def prune_items(config: PerpConfig) -> list[PerpItem]:
    """One for every criterion, pattern and repetition."""
    return [
        PerpItem(config, "prune", model, replicate, criterion, pattern)
        for model in config.model
        for criterion in config.criteria
        for pattern in config.pattern
        for replicate in range(config.seeds)
    ]


def adapt_items(config: PerpConfig, lacking: Lacking | None = None) -> list[PerpItem]:
    """One for every pruned model, method and branch, and the dense models retrained."""
    pruned = [
        replace(item, step="adapt", method=method, member=member)
        for item in prune_items(config)
        for method in _methods(config, (lacking or {}).get(item.label, ()))
        for member in range(1 if method in _ONCE else config.members)
    ]
    return [*_baselines(config), *pruned]


def merge_items(config: PerpConfig, lacking: Lacking | None = None) -> list[PerpItem]:
    """The mean of the branches of every method, if there are several."""
    firsts = [item for item in adapt_items(config, lacking) if item.criterion and not item.member]
    several = config.members > 1
    return [replace(i, step="merge") for i in firsts if several and i.method not in _ONCE]


_ONCE = ("least-squares", ADAPTER)
"""Methods without randomness."""


def _methods(config: PerpConfig, lacking: Sequence[str]) -> Iterator[str]:
    for method in config.methods:
        if parse_method(method).fits(lacking):
            yield method
    if config.adapter:
        yield ADAPTER


def _baselines(config: PerpConfig) -> Iterator[PerpItem]:
    if config.baseline and config.methods:
        for model in config.model:
            for replicate in range(config.seeds):
                yield PerpItem(config, "adapt", model, replicate, method="full")
