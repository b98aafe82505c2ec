"""Items of work of a training, and their tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from tasks.records import SCIENCE_COLUMNS, RunIdentity, Status, science_table
from tasks.sos.prediction.config import TrainConfig

__all__ = ["CHECKPOINT", "MODEL", "TrainItem", "training_table"]

CHECKPOINT = "checkpoints/latest.safetensors"
MODEL = "model.safetensors"
"""Places in the folder of a run."""


@dataclass(frozen=True)
class TrainItem:
    """A training of a run.

    Attributes
    ----------
    key : str
    config : TrainConfig
    identity : RunIdentity
    folder : str
        Where the checkpoint and the model go, path or URI; empty for nowhere.
    """

    key: str
    config: TrainConfig
    identity: RunIdentity
    folder: str = ""


def training_table(
    schema: pa.Schema,
    rows: Sequence[Mapping[str, Any]],
    item: TrainItem,
    status: Status = Status.OK,
) -> pa.Table:
    """A table of a training from its rows."""
    names = schema.names[len(SCIENCE_COLUMNS) :]
    columns = {name: [row[name] for row in rows] for name in names}
    return science_table(schema, columns, identity=item.identity, status=status)
