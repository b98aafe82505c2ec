"""Plans of the study `compression-aware`: trainings to choose by, repetitions, compressions.

Importing this module needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tasks.frankwolfe.choosing import best_of, choices_of, choosing_waves
from tasks.frankwolfe.compression.config import CompressionConfig
from tasks.frankwolfe.compression.items import (
    CompressionCheck,
    CompressionWork,
    Trial,
    compressions,
    methods,
    own_kinds,
    trials,
)
from tasks.frankwolfe.items import CHOICE
from tasks.records.errors import InputError
from tasks.records.rows import Row
from tasks.records.status import Status
from tasks.records.work import Item, Plan, Wave

if TYPE_CHECKING:
    from tasks.records.stored import Stored

__all__ = [
    "best_trials",
    "check_compression",
    "compression_waves",
    "item_keys",
    "known_of_check",
    "known_of_compression",
    "known_of_trial",
    "training_waves",
    "verification_waves",
]


def item_keys(plan: Plan) -> list[str]:
    """Keys of all items in planned order."""
    config: CompressionConfig = plan.config
    finals = [f"{method}-{r}" for method in methods(config) for r in range(config.seeds)]
    chosen = [trial.key for trial in _choices(config)]
    return [*chosen, *finals, *(work.key for work in compressions(config))]


def training_waves(plan: Plan, stored: Stored) -> Iterator[Wave]:
    """Trainings to choose by, then the chosen ones."""
    choices = _choices(plan.config)
    yield from choosing_waves(plan, stored, choices, best_trials, _item, "choose settings")


def best_trials(config: CompressionConfig, rows: Iterable[Row]) -> Iterator[Trial]:
    """Of every method the settings that are best on validation data, the first of equal ones."""
    given = [trials(config, method) for method in methods(config)]
    yield from best_of(given, rows, lambda row: -(row["score"] or 0.0))


def compression_waves(plan: Plan, stored: Stored) -> Iterator[Wave]:
    """Every network at every ratio."""
    files = _files(stored)
    yield Wave([
        Item(work.key, work, {"checkpoint": files[work.training]}, parts=(work.training,))
        for work in compressions(plan.config)
        if work.training in files
    ])  # fmt: skip


def verification_waves(plan: Plan, stored: Stored) -> Iterator[Wave]:
    """Every compressed model, from the file of its network."""
    files = _files(stored)
    yield Wave([
        Item(
            work.key,
            CompressionCheck(work),
            {"checkpoint": files[work.training]},
            parts=(work.key,),
        )
        for work in compressions(plan.config)
        if work.training in files
    ])  # fmt: skip


def _files(stored: Stored) -> dict[str, str]:
    """Ids of the files of networks by item."""
    return {
        row["item"]: row["checkpoint"]
        for row in stored.rows("models")
        if row["status"] == Status.OK and row["checkpoint"]
    }


def check_compression(config: CompressionConfig, address: str = "") -> None:
    """Refuse what cannot be trained or compressed.

    Raises
    ------
    InputError
        If files of the data set are missing or damaged, if no weight of the network can have one of
        the regions, or if the network has nothing to compress.
    """
    from tasks.frankwolfe.compression.rehearsal import rehearse
    from tasks.nn.plan import check_training

    check_training(config, address)
    for method in methods(config):
        try:
            rehearse(trials(config, method)[0])
        except InputError as error:
            raise InputError(f"{method}: {error}") from error


def known_of_trial(trial: Trial) -> list[Row]:
    """What is known of a training that failed: a row of ``models``."""
    place = {"item": trial.key, "method": trial.method, "replicate": trial.replicate}
    settings = {
        "width": trial.width or None,
        "share": trial.share or None,
        "penalty": trial.penalty or None,
    }
    return [{**place, **settings, "factor": trial.factor}]


def known_of_compression(work: CompressionWork) -> list[Row]:
    """What is known of a compression that failed: a row of ``compressed``."""
    place = {"item": work.key, "method": work.method, "replicate": work.replicate}
    return [{**place, "kind": work.kind, "ratio": work.ratio}]


def known_of_check(work: CompressionCheck) -> list[Row]:
    """What is known of a verification that could not be made."""
    return [{"item": work.key}]


def _choices(config: CompressionConfig) -> list[Trial]:
    """Trials of all methods that leave a choice."""
    return choices_of(trials(config, method) for method in methods(config))


def _item(trial: Trial, images: str | None) -> Item:
    settings = (trial.width, trial.share, trial.penalty, trial.factor)
    origin: dict[str, Any] = {"images": images, "settings": list(settings)}
    if trial.replicate == CHOICE:  # its score is of these compressions
        origin["kinds"] = list(own_kinds(trial.method, trial.config))
    return Item(trial.key, trial, origin)
