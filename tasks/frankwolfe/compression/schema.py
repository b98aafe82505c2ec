"""Arrow schemas of the study `compression-aware`."""

from __future__ import annotations

import pyarrow as pa

from tasks.frankwolfe.schema import CURVE_SCHEMA, QUALITY
from tasks.records import column, science_schema

__all__ = [
    "COMPRESSED_SCHEMA",
    "CURVE_SCHEMA",
    "LAYERS_SCHEMA",
    "MODELS_SCHEMA",
    "VERIFICATION_SCHEMA",
]

_PLACE = (
    column("item", pa.string(), "key of the item of work"),
    column("method", pa.string(), "region, with _plain without gradient rescaling, or rival"),
    column("replicate", pa.int64(), "number of the repetition; -1 for trainings to choose by"),
)

MODELS_SCHEMA = science_schema(
    *_PLACE,
    column("reason", pa.string(), "why the model is not good; empty if it is"),
    column("width", pa.float64(), "width factor of the regions; null without"),
    column("share", pa.float64(), "share that a vertex has of what k counts; null without"),
    column(
        "penalty",
        pa.float64(),
        "strength of the penalty, or weight decay that was chosen; null without",
    ),
    column("factor", pa.float64(), "rate over the usual one of the method"),
    column("rate", pa.float64(), "largest learning rate"),
    column("score", pa.float64(), "mean quality on validation data, compressed to all ratios"),
    column("checkpoint", pa.string(), "id of its file: 16 digits of the SHA-256 of the content"),
    column("steps", pa.int64(), "steps of training"),
    column("gauge", pa.float64(), "largest gauge of a weight at the end; 1 is the boundary"),
    column("parameters", pa.int64(), "number of parameters"),
    column("multiplications", pa.int64(), "of one forward pass of one example"),
    column("bytes", pa.int64(), "of parameters and statistics", unit="B"),
    *QUALITY,
)
"""One row per training."""

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
    column("filter_norms", pa.list_(pa.float64()), "norms of filters over the largest, falling"),
)
"""One row per weight of a linear layer or convolution of a model."""

COMPRESSED_SCHEMA = science_schema(
    *_PLACE,
    column("reason", pa.string(), "why the model is not good; empty if it is"),
    column("kind", pa.string(), "filters, low_rank, both or weights"),
    column("ratio", pa.float64(), "what stays, in (0, 1]"),
    column("parent", pa.string(), "id of the file of the network that was compressed"),
    column("checkpoint", pa.string(), "id of the file after retraining; null if made from parent"),
    column("uncalibrated", pa.float64(), "accuracy, or R^2, on test data before recalibration"),
    column("instability", pa.float64(), "what is lost of the quality before compression, a share"),
    column("parameters", pa.int64(), "number of parameters that are left"),
    column("multiplications", pa.int64(), "of one forward pass of one example"),
    column("bytes", pa.int64(), "of what is left; of single weights with a bit a place", unit="B"),
    column("energy", pa.float64(), "share of squared singular values that ranks leave"),
    column("ranks", pa.list_(pa.int64()), "of the layers that became two, in their order"),
    column("steps", pa.int64(), "steps of retraining"),
    *QUALITY,
)
"""One row per compressed model."""

VERIFICATION_SCHEMA = science_schema(
    column("item", pa.string(), "key of the item of work"),
    column("checkpoint", pa.string(), "id of the file that was read again"),
    column("reason", pa.string(), "what is wrong; empty if nothing is"),
    column("gauge", pa.float64(), "of the trained network, from its file; null without regions"),
    column("difference", pa.float64(), "largest of outputs of the smaller module, relative"),
    column("accuracy", pa.float64(), "on test data, measured on weights of the old shapes"),
)
"""One row per compressed model, from files alone."""
