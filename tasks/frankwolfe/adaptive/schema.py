"""Arrow schemas of the study `adaptive-frank-wolfe`."""

from __future__ import annotations

import pyarrow as pa

from tasks.records import column, science_schema

__all__ = [
    "CHOICES_SCHEMA",
    "CURVE_SCHEMA",
    "OPTIMA_SCHEMA",
    "RUNS_SCHEMA",
    "VERIFICATION_SCHEMA",
]

_ITEM = column("item", pa.string(), "key of the item of work")
_PROBLEM = column("problem", pa.string(), "table, loss and region")
_METHOD = column("method", pa.string(), "name of the method")
_REASON = column("reason", pa.string(), "why the row is not good; empty if it is")

OPTIMA_SCHEMA = science_schema(
    _ITEM,
    _PROBLEM,
    _REASON,
    column("data", pa.string(), "table of numbers"),
    column("loss", pa.string(), "loss of a term"),
    column("region", pa.string(), "where the weights are"),
    column("num_terms", pa.int64(), "n, terms of the sum"),
    column("num_weights", pa.int64(), "d, entries of a point"),
    column("num_outputs", pa.int64(), "q, targets of a term"),
    column("radius", pa.float64(), "of the region"),
    column("scale_ratio", pa.float64(), "size of the largest column over that of the smallest"),
    column("is_dear", pa.bool_(), "whether a projection needs an iteration of its own"),
    column("is_badly_scaled", pa.bool_(), "whether that ratio is at least 50"),
    column("start_value", pa.float64(), "objective at the start"),
    column("value", pa.float64(), "objective at the optimum"),
    column("gap", pa.float64(), "dual gap there, a bound of its error"),
    column("relative_gap", pa.float64(), "that over the value; null where that is nearly 0"),
    column("steps", pa.int64(), "accelerated steps"),
    column("point", pa.list_(pa.float64()), "the optimum"),
)
"""One row per problem."""

CHOICES_SCHEMA = science_schema(
    _ITEM,
    _PROBLEM,
    _METHOD,
    _REASON,
    column("factor", pa.float64(), "rate over the radius"),
    column("error", pa.float64(), "relative error at the end; null if it is not finite"),
)
"""One row per problem, method and rate."""

_WORK = (
    column("steps", pa.int64(), "steps taken"),
    column("gradients", pa.int64(), "gradients of single terms"),
    column("oracles", pa.int64(), "linear minimizations"),
    column("projections", pa.int64(), "projections; for nuclear balls their decompositions"),
    column("value", pa.float64(), "objective"),
    column("error", pa.float64(), "value less that of the optimum, over that of the start"),
    column("gap", pa.float64(), "dual gap"),
)
_PLACE = (
    _ITEM,
    _PROBLEM,
    _METHOD,
    column("replicate", pa.int64(), "number of the repetition"),
)

RUNS_SCHEMA = science_schema(
    *_PLACE, _REASON, column("factor", pa.float64(), "rate over the radius, or null"), *_WORK
)
"""One row per descent, at its end."""

CURVE_SCHEMA = science_schema(*_PLACE, column("number", pa.int64(), "of the point, from 0"), *_WORK)
"""Points of all descents; their seconds are in the execution table."""

VERIFICATION_SCHEMA = science_schema(
    _ITEM,
    _PROBLEM,
    _REASON,
    column("gauge", pa.float64(), "of the optimum, by the region of tasks.nn.regions; 1 is inside"),
    column("value", pa.float64(), "objective, computed again"),
    column("gap", pa.float64(), "dual gap, by the linear minimization of that region"),
)
"""One row per problem: its optimum, checked by other code."""
