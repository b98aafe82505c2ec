"""Trainings by which settings are chosen, then repetitions of the best: what the studies share.

Importing this module needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from tasks.records.rows import Row
from tasks.records.status import Status
from tasks.records.work import Item, Plan, Wave

if TYPE_CHECKING:
    from tasks.records.stored import Stored

__all__ = ["best_of", "choices_of", "choosing_waves"]

Trial = TypeVar("Trial", bound=Any)
"""A frozen dataclass with a `key` and a `replicate`."""


def choices_of(given: Iterable[Sequence[Trial]]) -> list[Trial]:
    """Trials of all methods that leave a choice; `given` has those of each method."""
    return [trial for each in given if len(each) > 1 for trial in each]


def best_of(
    given: Iterable[Sequence[Trial]], rows: Iterable[Row], order: Callable[[Row], Any]
) -> Iterator[Trial]:
    """Of each method the trial whose row comes first in an order, of equal ones the first.

    A method all of whose trials failed tries the first again, so that nothing is missing; one that
    is not tried yet has none.
    """
    tried = {row["item"]: row for row in rows}
    for each in given:
        known = [trial for trial in each if trial.key in tried]
        usable = [trial for trial in known if tried[trial.key]["status"] == Status.OK]
        if len(each) == 1 or (not usable and len(known) == len(each)):
            yield each[0]
        elif usable:
            yield min(usable, key=lambda trial: order(tried[trial.key]))


def choosing_waves(
    plan: Plan,
    stored: Stored,
    choices: Sequence[Trial],
    best: Callable[[Any, Iterable[Row]], Iterable[Trial]],
    item: Callable[[Trial, Any], Item],
    title: str,
) -> Iterator[Wave]:
    """Trainings to choose by, under a title, then so many repetitions of the best as the config has
    seeds."""
    if choices:
        yield Wave([item(trial, plan.value) for trial in choices], title)
    finals = [
        replace(trial, replicate=replicate)
        for trial in best(plan.config, stored.rows("models"))
        for replicate in range(plan.config.seeds)
    ]
    yield Wave([item(trial, plan.value) for trial in finals], "train")
