"""Arrow schemas of the study `sos-certify`."""

from __future__ import annotations

import pyarrow as pa

from tasks.records.schema import column, science_schema

_SIZES = pa.list_(pa.int32())

CERTIFICATES_SCHEMA = science_schema(
    column("item", pa.string(), "key of the batch"),
    column("name", pa.string(), "name of the polynomial"),
    column(
        "verdict", pa.string(), "what is known: proved, numerical, refuted_sos, negative, undecided"
    ),
    column("reason", pa.string(), "how it was decided, or why not, or why there is no result"),
    column("polynomial", pa.string(), "its text; of a long one the beginning"),
    column("variables", pa.list_(pa.string()), "names of its variables"),
    column("num_variables", pa.int32(), "n"),
    column("degree", pa.int32(), "total degree; -1 for zero"),
    column("num_terms", pa.int64(), "number of terms"),
    column("content", pa.string(), "SHA-256 of the terms"),
    column("basis", pa.string(), "rule of the last basis tried; null if none was needed"),
    column("basis_size", pa.int32(), "m, monomials of that basis"),
    column("block_sizes", _SIZES, "sizes of the blocks of its Gram matrix"),
    column("num_monomials", pa.int64(), "S, monomials of the Gram problem"),
    column("num_free", pa.int64(), "K, free dimensions of the Gram matrix"),
    column("lower", pa.float64(), "lower bound on the largest t with Q - t W >= 0"),
    column("upper", pa.float64(), "upper bound on it"),
    column("certificate", pa.string(), "JSON text of the certificate; null if there is none"),
    column("known_sos", pa.bool_(), "whether the input says that it is a sum of squares"),
    column("known_nonneg", pa.bool_(), "whether the input says that it is nonnegative"),
    column(
        "agrees", pa.bool_(), "whether the exact verdict agrees with these; null if undecidable"
    ),
)
"""One row per polynomial."""

ATTEMPTS_SCHEMA = science_schema(
    column("item", pa.string(), "key of the batch"),
    column("name", pa.string(), "name of the polynomial"),
    column("attempt", pa.int32(), "number of the attempt, from 0"),
    column("basis", pa.string(), "rule of the basis: even-sqrt, newton, full"),
    column("basis_size", pa.int32(), "m, monomials of the basis"),
    column("block_sizes", _SIZES, "sizes of the blocks of the Gram matrix"),
    column("num_monomials", pa.int64(), "S, monomials of the Gram problem"),
    column("num_free", pa.int64(), "K, free dimensions of the Gram matrix"),
    column("feasibility", pa.string(), "what the numbers say; unique for K = 0"),
    column("lower", pa.float64(), "lower bound on the largest t with Q - t W >= 0"),
    column("upper", pa.float64(), "upper bound on it"),
    column("form", pa.string(), "form of the conic problem: image, kernel; empty if none"),
    column("num_steps", pa.int32(), "steps of the interior-point method"),
)
"""One row per polynomial and basis that was tried."""

CERTIFICATE_CHECKS_SCHEMA = science_schema(
    column("item", pa.string(), "key of the batch"),
    column("name", pa.string(), "name of the polynomial"),
    column("claim", pa.string(), "sos, not_sos or negative"),
    column("statement", pa.string(), "what the certificate says of the polynomial p"),
    column(
        "valid", pa.bool_(), "whether exact arithmetic confirms it; null if it was not finished"
    ),
    column("reason", pa.string(), "what is wrong; empty if it is valid"),
    column("block_sizes", _SIZES, "sizes of the matrices that were checked to be semidefinite"),
)
"""One row per certificate that was checked again."""
