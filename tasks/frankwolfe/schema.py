"""Arrow schemas of the study `frank-wolfe`."""

from __future__ import annotations

import pyarrow as pa

from tasks.records import column, science_schema

__all__ = [
    "CERTIFIED_SCHEMA",
    "CURVE_SCHEMA",
    "FILTERS_SCHEMA",
    "LAYERS_SCHEMA",
    "MODELS_SCHEMA",
    "QUALITY",
    "VERIFICATION_SCHEMA",
]

_PLACE = (
    column("item", pa.string(), "key of the item of work"),
    column("method", pa.string(), "region, or optimizer without one"),
    column("replicate", pa.int64(), "number of the repetition; -1 for trainings to choose by"),
)

QUALITY = (
    column(
        "validation_accuracy",
        pa.float64(),
        "share of validation images, or of characters, for choices",
    ),
    column("validation_loss", pa.float64(), "mean cross entropy on these", unit="nat"),
    column(
        "accuracy",
        pa.float64(),
        "share of test images whose class, or of text whose next character, is found",
    ),
    column("worst_class", pa.float64(), "smallest accuracy over the classes, or characters"),
    column("calibration_error", pa.float64(), "expected calibration error, 15 bins"),
    column(
        "loss", pa.float64(), "mean cross entropy on the test images, or per character", unit="nat"
    ),
    column("r2", pa.float64(), "of predicted numbers: share of the variance that is explained"),
    column("root_mean_square", pa.float64(), "of predicted numbers: error, in their unit"),
    column("validation_r2", pa.float64(), "the same share on validation data, for choices"),
    column("ood_accuracy", pa.float64(), "mean accuracy on corrupted test images"),
)
"""What is measured of every model."""

MODELS_SCHEMA = science_schema(
    *_PLACE,
    column("reason", pa.string(), "why the model is not good; empty if it is"),
    column("width", pa.float64(), "width factor of the regions; null without"),
    column("rate", pa.float64(), "largest learning rate"),
    column("checkpoint", pa.string(), "id of its file: 16 digits of the SHA-256 of the content"),
    column("steps", pa.int64(), "steps of training"),
    *QUALITY,
    column("gap", pa.float64(), "Frank-Wolfe gap at the end; null without regions"),
    column("gauge", pa.float64(), "largest gauge of a weight at the end; 1 is the boundary"),
    column("lipschitz", pa.float64(), "product of the spectral norms; null if no perceptron"),
    column("lipschitz_by_radii", pa.float64(), "the same with radii of spectral balls"),
)
"""One row per training."""

CURVE_SCHEMA = science_schema(
    *_PLACE,
    column("step", pa.int64(), "steps taken"),
    column("train_loss", pa.float64(), "loss of that step's batch", unit="nat"),
    column("rate", pa.float64(), "learning rate of that step"),
    column("gap", pa.float64(), "Frank-Wolfe gap on some training images"),
    column("gauge", pa.float64(), "largest gauge of a weight"),
)
"""Points of the curves of all trainings."""

LAYERS_SCHEMA = science_schema(
    *_PLACE,
    column("layer", pa.string(), "name of the weight"),
    column("number", pa.int64(), "its place in the network, from 0"),
    column("shape", pa.list_(pa.int64()), "its shape"),
    column("gauge", pa.float64(), "of its region; null without"),
    column("zeros", pa.float64(), "share of entries below a thousandth of the largest"),
    column("stable_rank", pa.float64(), "squared Frobenius norm over squared spectral norm"),
    column("effective_rank", pa.float64(), "exponential of the entropy of singular values"),
    column("spectrum", pa.list_(pa.float64()), "largest 32 singular values over the largest"),
)
"""One row per weight of a linear layer or convolution of a model."""

FILTERS_SCHEMA = science_schema(
    *_PLACE,
    column("filter", pa.int64(), "number of the filter of the first weight, from 0"),
    column("shape", pa.list_(pa.int64()), "channels, height, width"),
    column("values", pa.list_(pa.float32()), "its weights, row by row"),
)
"""One row per filter of the first weight, of the first repetition of every method."""

CERTIFIED_SCHEMA = science_schema(
    *_PLACE,
    column("radius", pa.float64(), "Euclidean distance of images with values from 0 to 1"),
    column("accuracy", pa.float64(), "share of test images that no such change can misclassify"),
)
"""Certified accuracies of perceptrons."""

VERIFICATION_SCHEMA = science_schema(
    column("item", pa.string(), "key of the item of work"),
    column("checkpoint", pa.string(), "id of the file that was read again"),
    column("reason", pa.string(), "what is wrong; empty if nothing is"),
    column("gauge", pa.float64(), "largest gauge, computed from the file; null without regions"),
    column("accuracy", pa.float64(), "accuracy on the test data, measured again"),
)
"""One row per stored model, from its file alone."""
