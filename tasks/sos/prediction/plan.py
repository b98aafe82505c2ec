"""Trainings as items of work: planned from a config, run anywhere, answered with tables."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from tasks.records import (
    SCIENCE_COLUMNS,
    InputError,
    RunIdentity,
    Status,
    canonical_json,
    code_version,
)
from tasks.records.volume import Volume
from tasks.sos.prediction.config import TrainConfig
from tasks.sos.prediction.items import MODEL, TrainItem, training_table
from tasks.sos.prediction.schema import CURVE_SCHEMA, MODELS_SCHEMA, SCORES_SCHEMA

__all__ = [
    "TrainPlan",
    "failed_train_item",
    "is_stored_model",
    "plan_train",
    "run_train_item",
]

logger = logging.getLogger(__name__)

FLOW = "sos-train"
TRAIN_TABLES = ("curve", "scores", "models")
_NOT_NAMED = {"device", "processes", "loaders", "shards", "seed"}


@dataclass(frozen=True)
class TrainPlan:
    """A run before it starts."""

    identity: RunIdentity
    items: tuple[TrainItem, ...]


def plan_train(config: TrainConfig) -> TrainPlan:
    """Name the run.

    Device and processes are no part of its identity: what is learned depends on them by rounding
    only. Of shards the contents count, not the places.

    Raises
    ------
    InputError
        For a place without shards, and for shards with too few rows for any part of the training.
    """
    if config.shards:
        _check_rows(config)
    identity = RunIdentity(
        flow=FLOW,
        config=canonical_json(config.model_dump(exclude=_NOT_NAMED)),
        inputs=_inputs(config),
        code_version=code_version("tasks.records", "tasks.lattice", "tasks.nn", "tasks.sos"),
        seed=config.seed,
    )
    return TrainPlan(identity, (TrainItem("scorer", config, identity),))


def _inputs(config: TrainConfig) -> tuple[tuple[str, str], ...]:
    if not config.shards:
        return ()
    # Imported here: the reader of shards loads compiled code.
    from tasks.sos.prediction.sources import inputs_of

    return inputs_of(config.shards)


def _check_rows(config: TrainConfig) -> None:
    """Refuse shards that would be found too small only after the last step."""
    # Imported here: the reader of shards loads compiled code.
    from tasks.sos.prediction.sources import source

    given = source(config)
    given.available("training", config.batch)
    given.available("validation", config.validation)
    given.available("test", config.test)
    left = given.available("calibration", config.calibration)
    if not config.calibrates_with(left):
        raise InputError(
            f"the shards leave {left} rows for the calibration, alpha {config.alpha:g} needs at "
            f"least {1 / config.alpha - 1:.10g}: give more shards, or a larger alpha"
        )


def is_stored_model(folder: str, digest: str) -> bool:
    """Whether the model file in the folder of a run is whole and has this digest."""
    # Imported here: planning a training needs no PyTorch.
    from tasks.nn import DamagedFileError, load_tensors

    place = Volume.open(folder)
    if not place.exists(MODEL):
        return False
    try:
        found = load_tensors(place.location(MODEL)).digest
    except DamagedFileError as error:
        logger.warning("%s; it is made again", error)
        return False
    if found != digest:
        logger.warning("%s: is another model than the stored one", place.location(MODEL))
    return found == digest


def run_train_item(item: TrainItem) -> dict[str, pa.Table]:
    """Train; see `tasks.sos.prediction.run.train_item`."""
    # Imported here: planning a training needs no PyTorch.
    from tasks.sos.prediction.run import train_item

    return train_item(item)


def failed_train_item(item: TrainItem, kind: str, message: str) -> dict[str, pa.Table]:
    """A training that failed as a whole: a row with a status and the reason."""
    status = Status.OVER_BUDGET if kind == "BudgetExceeded" else Status.FAILED
    row: dict[str, Any] = dict.fromkeys(MODELS_SCHEMA.names[len(SCIENCE_COLUMNS) :])
    row |= {"item": item.key, "reason": message}
    return {
        "curve": CURVE_SCHEMA.empty_table(),
        "scores": SCORES_SCHEMA.empty_table(),
        "models": training_table(MODELS_SCHEMA, [row], item, status),
    }
