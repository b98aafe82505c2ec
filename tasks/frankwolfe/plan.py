"""Plans of the study `frank-wolfe`: trainings to choose by, then repetitions of what is best.

Importing this module needs no PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tasks.frankwolfe.choosing import best_of, choices_of, choosing_waves
from tasks.frankwolfe.config import FrankWolfeConfig
from tasks.frankwolfe.items import ModelCheck, Trial, trials
from tasks.nn.yardstick import yardstick_of
from tasks.records.errors import InputError
from tasks.records.rows import Row
from tasks.records.work import Item, Plan, Wave

if TYPE_CHECKING:
    from tasks.records.stored import Stored

__all__ = [
    "best_trials",
    "check_frank_wolfe",
    "item_keys",
    "known_of_check",
    "known_of_trial",
    "training_waves",
    "verification_items",
]


def item_keys(plan: Plan) -> list[str]:
    """Keys of all items in planned order."""
    config: FrankWolfeConfig = plan.config
    chosen = [trial.key for trial in _choices(config)]
    finals = [
        f"{method}-{replicate}" for method in _methods(config) for replicate in range(config.seeds)
    ]
    return [*chosen, *finals]


def training_waves(plan: Plan, stored: Stored) -> Iterator[Wave]:
    """Trainings to choose by, then the chosen ones."""
    choices = _choices(plan.config)
    yield from choosing_waves(plan, stored, choices, best_trials, _item, "choose sizes and rates")


def best_trials(config: FrankWolfeConfig, rows: Iterable[Row]) -> Iterator[Trial]:
    """Of each method the trial with the best validation accuracy, of equal ones the least loss; on
    text that with the least validation loss."""
    given = [trials(config, method) for method in _methods(config)]
    yield from best_of(given, rows, partial(_order, config))


def verification_items(plan: Plan) -> list[Item]:
    """One item for each training."""
    return [Item(key, ModelCheck(key, plan.config)) for key in item_keys(plan)]


def check_frank_wolfe(config: FrankWolfeConfig, address: str = "") -> None:
    """Refuse what cannot be trained.

    Raises
    ------
    InputError
        If files of the data set are missing or damaged, or if no weight of the network can have
        one of the regions.
    """
    from tasks.frankwolfe.methods import rehearse
    from tasks.nn.plan import check_training

    check_training(config, address)
    for method in _methods(config):
        try:
            rehearse(trials(config, method)[0])
        except InputError as error:
            raise InputError(f"{method}: {error}") from error


def known_of_trial(trial: Trial) -> list[Row]:
    """What is known of a training that failed: a row of ``models``."""
    width = trial.width if trial.is_region else None
    place = {"item": trial.key, "method": trial.method, "replicate": trial.replicate}
    return [{**place, "width": width}]


def known_of_check(work: ModelCheck) -> list[Row]:
    """What is known of a verification that could not be made."""
    return [{"item": work.key}]


def _methods(config: FrankWolfeConfig) -> Sequence[str]:
    return (*config.rivals, *config.regions)


def _choices(config: FrankWolfeConfig) -> list[Trial]:
    """Trials of all methods that leave a choice."""
    return choices_of(trials(config, method) for method in _methods(config))


def _order(config: FrankWolfeConfig, row: Row) -> tuple[float, float]:
    loss = math.inf if row["validation_loss"] is None else row["validation_loss"]
    worse = -yardstick_of(config.model_dump()).quality(row)
    return (loss, worse) if config.is_text else (worse, loss)


def _item(trial: Trial, images: str | None) -> Item:
    origin = {"images": images, "width": trial.width, "factor": trial.factor}
    return Item(trial.key, trial, origin)
