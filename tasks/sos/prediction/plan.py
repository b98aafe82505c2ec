"""The study of a training: its inputs, its one item, its call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.records.errors import InputError
from tasks.records.rows import FILES
from tasks.records.work import Inputs, Item, Place, Plan, Resources
from tasks.sos.prediction.config import PredictorConfig
from tasks.sos.prediction.items import MODEL, TrainItem

if TYPE_CHECKING:
    from tasks.records.rows import Row, Rows

__all__ = ["known_of_training", "train_inputs", "train_items", "train_resources", "train_rows"]

KEY = "scorer"


def train_inputs(config: PredictorConfig) -> Inputs:
    """Read the shards; of these the contents count, not the places.

    Raises
    ------
    InputError
        For a place without shards, and for shards with too few rows for any part of the training.
    """
    if not config.shards:
        return Inputs(value=())
    # Imported here: the reader of shards loads compiled code.
    from tasks.sos.prediction.sources import inputs_of

    _check_rows(config)
    shards = inputs_of(config.shards)
    # Shards of two data sets may have one name.
    contents = {f"{k:06d}/{name}": digest for k, (name, digest) in enumerate(shards)}
    return Inputs(contents, tuple(contents.values()))


def _check_rows(config: PredictorConfig) -> None:
    """Refuse shards that would be found too small only after the last step."""
    # Imported here: the reader of shards loads compiled code.
    from tasks.sos.prediction.sources import source

    given = source(config)
    given.available("training", config.batch_size)
    given.available("validation", config.validation)
    given.available("test", config.test)
    left = given.available("calibration", config.calibration)
    if not config.calibrates_with(left):
        raise InputError(
            f"the shards leave {left} rows for the calibration, alpha {config.alpha:g} needs at "
            f"least {1 / config.alpha - 1:.10g}: give more shards, or a larger alpha"
        )


def train_items(plan: Plan) -> list[Item]:
    """The one training."""
    return [Item(KEY, plan.config, {"shards": [*plan.value]})]


def train_resources(config: PredictorConfig) -> Resources:
    """A core or a GPU for every process."""
    return Resources(config.device, config.processes)


def train_rows(config: PredictorConfig, place: Place) -> Rows:
    """Train; rows of ``models``, ``curve`` and ``scores``, and the model file."""
    # Imported here: planning a training needs no PyTorch.
    from tasks.sos.prediction.run import train_item

    own = config.model_copy(update={"device": place.device})
    return {**train_item(TrainItem(KEY, own, place.folder)), FILES: (MODEL,)}


def known_of_training(config: PredictorConfig) -> list[Row]:
    """What is known of a training that failed: a row of ``models``."""
    return [{"item": KEY}]
