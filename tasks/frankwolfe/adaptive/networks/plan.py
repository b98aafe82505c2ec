"""Plans of the study `adaptive-networks`: trainings to choose rates by, then repetitions.

Importing this module needs no PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from tasks.frankwolfe.adaptive.networks.config import AdaptiveNetworksConfig
from tasks.frankwolfe.adaptive.networks.items import NetworkTrial, trials
from tasks.frankwolfe.choosing import best_of, choices_of, choosing_waves
from tasks.frankwolfe.items import ModelCheck
from tasks.nn.yardstick import yardstick_of
from tasks.records.errors import InputError
from tasks.records.rows import Row
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
    choices = _choices(plan.config)
    yield from choosing_waves(plan, stored, choices, best_trials, _item, "choose rates")


def network_items(plan: Plan) -> list[Item]:
    """One item for each model that is read again."""
    return [Item(key, ModelCheck(key, plan.config)) for key in network_keys(plan)]


def best_trials(config: AdaptiveNetworksConfig, rows: Iterable[Row]) -> Iterator[NetworkTrial]:
    """Of each method the rate that is best on validation data, of equal ones the least loss."""
    by = yardstick_of(config.model_dump())

    def order(row: Row) -> tuple[float, float]:
        loss = row["validation_loss"]
        return -by.quality(row), math.inf if loss is None else loss

    yield from best_of([trials(config, method) for method in config.methods], rows, order)


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
    return choices_of(trials(config, method) for method in config.methods)


def _item(trial: NetworkTrial, images: str | None) -> Item:
    return Item(trial.key, trial, {"images": images, "factor": trial.factor})
