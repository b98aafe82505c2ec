"""Plans of the study `adaptive-networks`: trainings to choose rates by, then repetitions.

Importing this module needs no PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from tasks.frankwolfe.adaptive.networks.config import AdaptiveNetworksConfig
from tasks.frankwolfe.adaptive.networks.items import NetworkTrial, trials
from tasks.frankwolfe.items import ModelCheck
from tasks.nn.yardstick import yardstick_of
from tasks.records.errors import InputError
from tasks.records.rows import Row
from tasks.records.status import Status
from tasks.records.work import Item, Plan, Wave

if TYPE_CHECKING:
    from tasks.records.stored import Stored

__all__ = [
    "best_trials",
    "check_networks",
    "known_of_network",
    "network_items",
    "network_keys",
    "network_waves",
]


def network_keys(plan: Plan) -> list[str]:
    """Keys of all items in planned order."""
    config: AdaptiveNetworksConfig = plan.config
    chosen = [trial.key for trial in _choices(config)]
    return [*chosen, *(f"{m}-{r}" for m in config.methods for r in range(config.seeds))]


def network_waves(plan: Plan, stored: Stored) -> Iterator[Wave]:
    """Trainings to choose by, then the chosen ones."""
    config: AdaptiveNetworksConfig = plan.config
    choices = _choices(config)
    if choices:
        yield Wave([_item(trial, plan.value) for trial in choices], "choose rates")
    finals = [
        replace(best, replicate=replicate)
        for best in best_trials(config, stored.rows("models"))
        for replicate in range(config.seeds)
    ]
    yield Wave([_item(trial, plan.value) for trial in finals], "train")


def network_items(plan: Plan) -> list[Item]:
    """One item for each model that is read again."""
    return [Item(key, ModelCheck(key, plan.config)) for key in network_keys(plan)]


def best_trials(config: AdaptiveNetworksConfig, rows: Iterable[Row]) -> Iterator[NetworkTrial]:
    """Of each method the rate that is best on validation data, of equal ones the least loss."""
    rows = list(rows)
    found = {row["item"]: row for row in rows if row["status"] == Status.OK}
    tried = {row["item"] for row in rows}
    by = yardstick_of(config.model_dump())

    def order(trial: NetworkTrial) -> tuple[float, float]:
        row = found[trial.key]
        loss = row["validation_loss"]
        return -by.quality(row), math.inf if loss is None else loss

    for method in config.methods:
        given = trials(config, method)
        usable = [trial for trial in given if trial.key in found]
        # Where every choice failed the first is tried again, so that nothing is missing.
        if len(given) == 1 or (not usable and all(trial.key in tried for trial in given)):
            yield given[0]
        elif usable:
            yield min(usable, key=order)


def check_networks(config: AdaptiveNetworksConfig, address: str = "") -> None:
    """Refuse what cannot be trained.

    Raises
    ------
    InputError
        If data are missing or damaged, or if no weight of the network can have the region.
    """
    from tasks.frankwolfe.adaptive.networks.methods import rehearse
    from tasks.nn.plan import check_training

    check_training(config, address)
    for method in config.methods:
        try:
            rehearse(trials(config, method)[0])
        except InputError as error:
            raise InputError(f"{method}: {error}") from error


def known_of_network(trial: NetworkTrial) -> list[Row]:
    """What is known of a training that failed: a row of ``models``."""
    return [{"item": trial.key, "method": trial.method, "replicate": trial.replicate}]


def _choices(config: AdaptiveNetworksConfig) -> list[NetworkTrial]:
    """Trials of all methods, if they leave a choice."""
    each = [trials(config, method) for method in config.methods]
    return [trial for given in each if len(given) > 1 for trial in given]


def _item(trial: NetworkTrial, images: str | None) -> Item:
    return Item(trial.key, trial, {"images": images, "factor": trial.factor})
