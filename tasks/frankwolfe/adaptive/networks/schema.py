"""Arrow schemas of the study `adaptive-networks`."""

from __future__ import annotations

import pyarrow as pa

from tasks.frankwolfe.schema import QUALITY
from tasks.records import column, science_schema

__all__ = ["NETWORKS_SCHEMA", "NETWORK_CURVE_SCHEMA"]

_PLACE = (
    column("item", pa.string(), "key of the item of work"),
    column("method", pa.string(), "method of training"),
    column("replicate", pa.int64(), "number of the repetition; -1 for trainings to choose by"),
)

NETWORKS_SCHEMA = science_schema(
    *_PLACE,
    column("reason", pa.string(), "why the model is not good; empty if it is"),
    column("rate", pa.float64(), "largest learning rate"),
    column("checkpoint", pa.string(), "id of its file: 16 digits of the SHA-256 of the content"),
    column("steps", pa.int64(), "steps of training"),
    column("evaluations", pa.int64(), "gradients of single examples that these took"),
    column("snapshots", pa.int64(), "gradients of all examples among them"),
    column("train_loss", pa.float64(), "mean loss on all training examples at the end"),
    *QUALITY,
    column("gap", pa.float64(), "Frank-Wolfe gap at the end; null without a region"),
    column("gauge", pa.float64(), "largest gauge of a weight at the end; 1 is the boundary"),
)
"""One row per training."""

NETWORK_CURVE_SCHEMA = science_schema(
    *_PLACE,
    column("step", pa.int64(), "steps taken"),
    column("evaluations", pa.int64(), "gradients of single examples that these took"),
    column("passes", pa.float64(), "the same over the number of training examples"),
    column("rate", pa.float64(), "learning rate of that step"),
    column("batch_loss", pa.float64(), "loss of that step's batch, or of all examples"),
    column("train_loss", pa.float64(), "mean loss on some training images, evaluated"),
    column("validation_loss", pa.float64(), "mean loss on the validation images"),
    column("validation_quality", pa.float64(), "accuracy on these, of numbers R^2"),
    column("gauge", pa.float64(), "largest gauge of a weight; null without a region"),
)
"""Points of the curves of all trainings."""
