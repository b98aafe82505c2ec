"""A training as an item of work."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.sos.prediction.config import PredictorConfig

__all__ = ["CHECKPOINT", "MODEL", "TrainItem"]

CHECKPOINT = "checkpoints/latest.safetensors"
MODEL = "model.safetensors"
"""Places in the folder of a run."""


@dataclass(frozen=True)
class TrainItem:
    """A training of a run.

    Attributes
    ----------
    key : str
    config : PredictorConfig
    folder : str
        Where the checkpoint and the model go, path or URI; empty for nowhere.
    """

    key: str
    config: PredictorConfig
    folder: str = ""
