"""Tables of the studies of colorings."""

from __future__ import annotations

import pyarrow as pa

from tasks.records.schema import column, science_schema

__all__ = [
    "CONSTRUCTIONS_SCHEMA",
    "RECORDS_SCHEMA",
    "RUNS_SCHEMA",
    "VERIFICATION_SCHEMA",
]

_PROBLEM = (
    column("problem", pa.string(), "key of the problem"),
    column("num_colors", pa.int32(), "number of colors"),
    column("distances", pa.list_(pa.string()), "forbidden distances of each color"),
    column("dimension", pa.int32(), "2: the plane; 3: space"),
    column("norm", pa.string(), "norm of the distances"),
)
_LATTICE = pa.list_(pa.list_(pa.string()))

RUNS_SCHEMA = science_schema(
    column("item", pa.string(), "key of the call"),
    column("run", pa.string(), "key of the search"),
    *_PROBLEM,
    column("start", pa.int64(), "number of the start"),
    column("penalty", pa.float64(), "cost of a removed point beside a conflict"),
    column("steps", pa.int32(), "steps that the search took before it was left or ended"),
    column("lattice", _LATTICE, "period vectors at the end; of a given coloring exact"),
    column("loss", pa.float64(), "loss at the end"),
    column("conflict", pa.float64(), "probability of a conflict in the loss, all colors together"),
    column("removed_share", pa.float64(), "mean probability that a point is removed"),
    column("removed_percent", pa.float64(), "removed cells of the search's own grid", unit="%"),
    column("point_rate", pa.float64(), "share of the cells of its grid that are in a conflict"),
    column("pair_rate", pa.float64(), "share of the pairs at forbidden offsets of one color"),
    column("estimate", pa.float64(), "what searches are ranked by, the smaller the better"),
    column("grid", pa.list_(pa.int32()), "points of the grid that it ended on"),
    column("field", pa.string(), "file of what it found in the run's folder, of the best only"),
    column("reason", pa.string(), "why there is no result"),
)

CONSTRUCTIONS_SCHEMA = science_schema(
    column("item", pa.string(), "key of the coloring"),
    *_PROBLEM,
    column("run", pa.string(), "search that it was made of; start: a given coloring"),
    column("form", pa.string(), "cells or polygons"),
    column("shape", pa.list_(pa.int32()), "cells along each period vector"),
    column("tiles", pa.int64(), "cells, or polygons"),
    column(
        "lattice", _LATTICE, "period vectors, exact: numbers as in certificates, or a+b*sqrt(n)"
    ),
    column("removed", pa.string(), "removed fraction, exact"),
    column("removed_percent", pa.float64(), "the same, rounded", unit="%"),
    column("offsets", pa.int64(), "offsets of cells that can hold a forbidden distance"),
    column("allowed", pa.list_(pa.string()), "distances that each color is proved to forbid"),
    column("certificate", pa.string(), "file of the certificate in the run's folder"),
    column("methods", pa.list_(pa.string()), "what it was made with"),
    column("reason", pa.string(), "why there is no certificate"),
)

VERIFICATION_SCHEMA = science_schema(
    column("item", pa.string(), "key of the coloring"),
    column("certificate", pa.string(), "file of the certificate"),
    column("valid", pa.bool_(), "whether both checkers find it valid"),
    column("fast", pa.string(), "verdict of tasks.coloring.certificates"),
    column("standard", pa.string(), "verdict of tasks.coloring.checker"),
    column("removed", pa.string(), "removed fraction that both derive"),
    column("reason", pa.string(), "why it was not verified"),
)

RECORDS_SCHEMA = science_schema(
    column("item", pa.string(), "key of the coloring"),
    *_PROBLEM,
    column("removed_percent", pa.float64(), "of the coloring", unit="%"),
    column("published_percent", pa.float64(), "the least that is published", unit="%"),
    column("source", pa.string(), "who published it"),
    column("is_record", pa.bool_(), "whether it is less, and both checkers say so"),
)
