"""Arrow schemas of the flow `sos-dataset`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import pyarrow as pa

from tasks.records.schema import column, science_schema

Mode = Literal["compact", "expanded"]
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

_WORD = pa.dictionary(pa.int8(), pa.string())
_BYTES = pa.list_(pa.int8())

COMPACT_SCHEMA = science_schema(
    column("dataset", _WORD, "name of the data set: family, variables, half degree, size"),
    column("row", pa.int64(), "number of the row; with seed and dataset it names the stream"),
    column("split", _WORD, "train, validation or test, by the content"),
    column("family", _WORD, "how the polynomial was made"),
    column("structure", _WORD, "distribution of the factor; null where it is none of the four"),
    column("num_variables", pa.int16(), "n"),
    column("half_degree", pa.int16(), "d; the degree is at most 2 d"),
    column("is_sos", pa.bool_(), "whether it is a sum of squares, by construction"),
    column(
        "content", pa.uint64(), "hash of the polynomial: its value at a point of a finite field"
    ),
    column("num_terms", pa.int32(), "terms of p"),
    column("num_sums", pa.int32(), "products of two monomials of the basis"),
    column(
        "cancelled", pa.int32(), "of these, with coefficient 0 though the Gram matrix adds to it"
    ),
    column("hidden", pa.int32(), "monomials of the basis whose square has coefficient 0"),
    column("basis", _BYTES, "exponents of the basis, row by row, m n numbers"),
)
"""One row per polynomial."""

EXPANDED_SCHEMA = science_schema(
    *list(COMPACT_SCHEMA)[4:],
    column(
        "exponents", _BYTES, "exponents of the terms, row by row, in graded lexicographic order"
    ),
    column("coefficients", pa.list_(pa.int64()), "of the terms", unit="2**-32"),
)
"""One row per polynomial, with its terms."""

CARDS_SCHEMA = science_schema(
    column("item", pa.string(), "key of the shard"),
    column("reason", pa.string(), "why there is no result; empty if there is"),
    column("dataset", pa.string(), "name of the data set"),
    column("num_rows", pa.int64(), "rows of the shard"),
    column("card", pa.string(), "its counts as JSON"),
)
"""One row per shard."""


def polynomials_schema(settings: Mapping[str, Any]) -> pa.Schema:
    """Schema of the polynomials of a run with these settings."""
    return EXPANDED_SCHEMA if settings["mode"] == "expanded" else COMPACT_SCHEMA
