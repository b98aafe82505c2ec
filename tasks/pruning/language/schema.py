"""Tables of the study `perp`."""

from __future__ import annotations

import pyarrow as pa

from tasks.records import column, science_schema

__all__ = [
    "CURVE_SCHEMA",
    "LAYERS_SCHEMA",
    "MODELS_SCHEMA",
    "PERPLEXITIES_SCHEMA",
    "VERIFICATION_SCHEMA",
]

_PLACE = (
    column("item", pa.string(), "key of the item of work"),
    column("model", pa.string(), "model that it comes from"),
    column("criterion", pa.string(), "which weights went; empty for dense models"),
    column("pattern", pa.string(), "share of every row that is gone, or n:m"),
    column("method", pa.string(), "dense, pruned, or what was done then"),
    column("replicate", pa.int64(), "number of the repetition, from 0"),
    column("member", pa.int64(), "number of the branch, from 0"),
)

MODELS_SCHEMA = science_schema(
    *_PLACE,
    column("reason", pa.string(), "why the model cannot be used; empty if it can"),
    column("note", pa.string(), "what a reader should know"),
    column("checkpoint", pa.string(), "id of its index; empty for a given model as it is"),
    column("folder", pa.string(), "folder of a model that was trained here, within the run's"),
    column("mask", pa.string(), "id of its masks; equal masks have equal ids"),
    column("parents", pa.list_(pa.string()), "ids of the checkpoints it was made from"),
    column("parameters", pa.int64(), "number of parameters, tied ones once"),
    column("prunable", pa.int64(), "weights of the layers within blocks"),
    column("kept", pa.int64(), "those of them that are left"),
    column("sparsity", pa.float64(), "share of them that is gone"),
    column("zeros_lost", pa.int64(), "pruned weights that came back"),
    column("trained", pa.int64(), "number of values that were trained"),
    column("trained_share", pa.float64(), "trained over parameters"),
    column("steps", pa.int64(), "steps of training; of reconstruction those of all parts"),
    column("tokens", pa.int64(), "tokens that it looked at, with repetitions"),
    column("rate", pa.float64(), "largest learning rate"),
    column("train_loss", pa.float64(), "mean of the last tenth of the steps", unit="nat"),
)
"""One row per model."""

LAYERS_SCHEMA = science_schema(
    *_PLACE,
    column("block", pa.int64(), "number of the block, from 0"),
    column("layer", pa.string(), "name of the layer, or of the part that was reconstructed"),
    column("rows", pa.int64(), "outputs"),
    column("inputs", pa.int64(), "inputs"),
    column("kept", pa.int64(), "weights that are left"),
    column("scale", pa.float64(), "what errors are relative to: |X W'|^2, a mean square"),
    column("before", pa.float64(), "error of the mask with the weights as they were, relative"),
    column("error", pa.float64(), "error of the weights that were stored, relative"),
    column("best_error", pa.float64(), "least error of all weights for this mask, relative"),
    column("lower_bound", pa.float64(), "below the error of every mask with weights as they were"),
    column("note", pa.string(), "what was done about damaged weights and inputs"),
)
"""One row per pruned layer, and per part that was reconstructed."""

CURVE_SCHEMA = science_schema(
    *_PLACE,
    column("step", pa.int64(), "steps taken"),
    column("train_loss", pa.float64(), "loss of that step's batch", unit="nat"),
    column("rate", pa.float64(), "learning rate of that step"),
)
"""Points of the curves of all trainings."""

PERPLEXITIES_SCHEMA = science_schema(
    *_PLACE,
    column("reason", pa.string(), "why the number is missing; empty if it is known"),
    column("text", pa.string(), "what was read"),
    column("is_trained_on", pa.bool_(), "whether models were retrained on other parts of it"),
    column("tokens", pa.int64(), "tokens that were predicted"),
    column("nll", pa.float64(), "mean negative log-likelihood of these", unit="nat"),
    column("perplexity", pa.float64(), "its exponential"),
)
"""Two rows per model, one for each text."""

VERIFICATION_SCHEMA = science_schema(
    column("item", pa.string(), "key of the item of work"),
    column("checkpoint", pa.string(), "id of the model that was read again"),
    column("reason", pa.string(), "what is wrong; empty if nothing is"),
    column("kept", pa.int64(), "weights that its masks keep, counted again"),
    column("stray", pa.int64(), "pruned weights that are not exactly zero"),
)
"""One row per stored model, from its files alone."""
