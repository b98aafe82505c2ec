"""Arrow schemas of the study `sos-benchmark`."""

from __future__ import annotations

import pyarrow as pa

from tasks.records.schema import column, science_schema

OUT_OF_RANGE = "range"
"""What a polynomial is beyond that the model of a method cannot read."""

TRIALS_SCHEMA = science_schema(
    column("item", pa.string(), "key of the batch"),
    column("cell", pa.string(), "family, variables, half degree and size; or classics"),
    column("instance", pa.int64(), "number of the polynomial within its cell"),
    column("name", pa.string(), "name of the polynomial"),
    column("method", pa.string(), "how its bases were chosen"),
    column("verdict", pa.string(), "what was found; null if it was stopped"),
    column("reason", pa.string(), "how it was decided, or why not"),
    column("is_sos", pa.bool_(), "whether it is a sum of squares, as far as that is known"),
    column("planted_size", pa.int32(), "size of its planted basis; null for classics"),
    column("first_size", pa.int32(), "size of the first basis, also of a stopped trial if known"),
    column("basis_size", pa.int32(), "size of the last basis, likewise"),
    column("largest_block", pa.int32(), "size of the largest block of its Gram matrix"),
    column("num_free", pa.int64(), "K of the last Gram problem"),
    column("num_attempts", pa.int32(), "number of different bases"),
    column("first_try", pa.bool_(), "whether the first basis gave an exact verdict"),
    column("num_orders", pa.int32(), "orders of variables in which a basis was written, or null"),
    column("beyond", pa.list_(pa.string()), "in what it is beyond the training of the model"),
)
"""One row per polynomial and method."""
