"""Arrow schemas of the flows `sparse-soup` and `imp`."""

from __future__ import annotations

import pyarrow as pa

from tasks.records import column, science_schema

__all__ = ["CURVE_SCHEMA", "DISTANCES_SCHEMA", "MODELS_SCHEMA", "VERIFICATION_SCHEMA"]

_PLACE = (
    column("item", pa.string(), "key of the item of work"),
    column("method", pa.string(), "what the model is: dense, pruned, member, soup, ensemble, ..."),
    column("replicate", pa.int64(), "number of the repetition, from 0"),
    column("phase", pa.int64(), "number of prunings behind it; 0 is dense"),
    column("member", pa.int64(), "number among equals, from 0"),
)

MODELS_SCHEMA = science_schema(
    *_PLACE,
    column("reason", pa.string(), "why there is no good model; empty if there is one"),
    column("note", pa.string(), "what a reader should know, such as members that are missing"),
    column("budget", pa.float64(), "epochs of retraining after every pruning"),
    column("target", pa.float64(), "sparsity that was asked for"),
    column("sparsity", pa.float64(), "share of the prunable weights that is pruned"),
    column("kept", pa.int64(), "number of prunable weights that are left"),
    column("checkpoint", pa.string(), "id of its file: 16 digits of the SHA-256 of the content"),
    column("mask", pa.string(), "id of its masks; equal masks have equal ids"),
    column("parents", pa.list_(pa.string()), "ids of the checkpoints it was made from"),
    column("steps", pa.int64(), "steps of training in this item"),
    column("total_steps", pa.int64(), "steps of all trainings that it needed, shared ones once"),
    column("validation_accuracy", pa.float64(), "share of validation images, for choices"),
    column("validation_loss", pa.float64(), "mean loss on these"),
    column("accuracy", pa.float64(), "share of test images whose class is found"),
    column("worst_class", pa.float64(), "smallest accuracy over the classes"),
    column("calibration_error", pa.float64(), "expected calibration error, 15 bins"),
    column(
        "loss",
        pa.float64(),
        "mean cross entropy on the test images, in nats; of numbers mean "
        "square of the scaled errors",
    ),
    column("r2", pa.float64(), "of predicted numbers: share of the variance that is explained"),
    column("root_mean_square", pa.float64(), "of predicted numbers: error, in their unit"),
    column("validation_r2", pa.float64(), "the same share on validation data, for choices"),
    column("ood_accuracy", pa.float64(), "mean accuracy on corrupted test images"),
    column("speed_up", pa.float64(), "multiplications of the dense model over those left"),
)
"""One row per model, and per ensemble of models."""

CURVE_SCHEMA = science_schema(
    *_PLACE,
    column("step", pa.int64(), "steps taken in this training"),
    column("train_loss", pa.float64(), "loss of that step's batch", unit="nat"),
    column("rate", pa.float64(), "learning rate of that step"),
)
"""Points of the curves of all trainings."""

DISTANCES_SCHEMA = science_schema(
    column("item", pa.string(), "key of the item of work"),
    column("replicate", pa.int64(), "number of the repetition"),
    column("phase", pa.int64(), "number of the phase"),
    column("first", pa.int64(), "number of a member"),
    column("second", pa.int64(), "another member; -1 is the soup"),
    column("distance", pa.float64(), "Euclidean distance of their prunable weights"),
    column("relative", pa.float64(), "the same over the norm of the first"),
)
"""Pairwise distances of the members of a soup."""

VERIFICATION_SCHEMA = science_schema(
    column("item", pa.string(), "key of the item of work"),
    column("checkpoint", pa.string(), "id of the file that was read again"),
    column("reason", pa.string(), "what is wrong; empty if nothing is"),
    column("kept", pa.int64(), "weights that its masks keep, counted again"),
    column("stray", pa.int64(), "pruned weights that are not zero"),
)
"""One row per stored model, from its file alone."""
