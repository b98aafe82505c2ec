"""Shards of a data set as Arrow tables, and back: rows with their bases, with or without terms.

Compact rows hold the basis and what names the random stream (seed, data set, row), from which the
terms are made again; expanded rows hold the terms.  Exponents are bytes; coefficients are integers
in units of 2**-32.  The card of a shard, a JSON text with its counts, is in the table ``cards``.

A row belongs to the test, validation or training split by the hash of its content: equal
polynomials are in the same split, whatever their rows, shards and data sets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.records.errors import StoreError
from tasks.sos.sampling.cells import STRUCTURES, Cell
from tasks.sos.sampling.generation import Rows
from tasks.sos.sampling.schema import SPLITS, Mode

SHARES = {"train": 198, "validation": 1, "test": 1}
"""Two hundredths of the rows, in the mean."""

_COUNTS = ("content", "num_terms", "num_sums", "cancelled", "hidden")
_SPREAD, _SHIFT = np.uint64(0xD1B54A32D192ED03), np.uint64(32)


def split_codes(content: NDArray[np.uint64]) -> NDArray[np.int8]:
    """Index among `SPLITS` of every content; 99, 0.5 and 0.5 % in the mean."""
    buckets = ((content * _SPREAD) >> _SHIFT) % np.uint64(sum(SHARES.values()))
    bounds = np.cumsum(list(SHARES.values())).astype(np.uint64)
    return np.searchsorted(bounds, buckets, side="right").astype(np.int8)


def shard_table(rows: Rows, mode: Mode) -> pa.Table:
    """The rows as a table of `polynomials_schema`, without its leading columns."""
    cell, count = rows.cell, len(rows)
    n = cell.num_variables
    columns: dict[str, pa.Array] = {
        "dataset": _constant(cell.name, count),
        "row": pa.array(np.arange(rows.first, rows.first + count)),
        "split": _words(split_codes(rows.content), SPLITS),
        "family": _constant(cell.family, count),
        "structure": _words(rows.structures, STRUCTURES),
        "num_variables": pa.array(np.full(count, n, dtype=np.int16)),
        "half_degree": pa.array(np.full(count, cell.half_degree, dtype=np.int16)),
        "is_sos": pa.array(np.full(count, cell.is_sos)),
        **{name: pa.array(getattr(rows, name)) for name in _COUNTS},
        "basis": _lists(rows.sizes, n, rows.basis),
    }
    if mode == "expanded":
        columns["exponents"] = _lists(rows.num_terms, n, rows.exponents)
        columns["coefficients"] = _lists(rows.num_terms, 1, rows.coefficients)
    return pa.table(columns)


def _constant(word: str, count: int) -> pa.Array:
    return _words(np.zeros(count, dtype=np.int8), (word,))


def _words(codes: NDArray[np.int8], words: tuple[str, ...]) -> pa.Array:
    """Words by their index; null for -1."""
    indices = pa.array(codes, mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(words))


def _lists(lengths: NDArray[np.int32], width: int, values: NDArray[Any]) -> pa.Array:
    """A list array from the lengths of its rows in units of `width`."""
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]) * width
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(values))


# --- cards --------------------------------------------------------------------------------------


def card_text(rows: Rows, mode: Mode, seed: int) -> str:
    """Counts of a shard as JSON; histograms are pairs of a value and its number, ascending."""
    cell = rows.cell
    splits = np.bincount(split_codes(rows.content), minlength=len(SPLITS)).tolist()
    card = {
        "dataset": cell.name,
        "family": cell.family,
        "num_variables": cell.num_variables,
        "half_degree": cell.half_degree,
        "size": cell.size,
        "is_sos": cell.is_sos,
        "mode": mode,
        "seed": seed,
        "first_row": rows.first,
        "num_rows": len(rows),
        "splits": dict(zip(SPLITS, splits, strict=True)),
        "sums": int(rows.num_sums.sum(dtype=np.int64)),
        "sizes": _histogram(rows.sizes),
        "num_free": _histogram(rows.num_free),
        "num_terms": _histogram(rows.num_terms),
        "cancelled": _histogram(rows.cancelled),
        "hidden": _histogram(rows.hidden),
    }
    return json.dumps(card)


def _histogram(values: NDArray[np.integer]) -> list[list[int]]:
    found, counts = np.unique(values, return_counts=True)
    return np.stack([found, counts], axis=1).tolist()


# --- and back -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Decoded:
    """A polynomial of a shard.

    Attributes
    ----------
    exponents : int16 (T, n)
        Terms in graded lexicographic order.
    coefficients : int64 (T,)
        In units of 2**-32.
    basis : int16 (m, n)
        In graded lexicographic order.
    """

    exponents: NDArray[np.int16]
    coefficients: NDArray[np.int64]
    basis: NDArray[np.int16]


def decode(row: Mapping[str, Any]) -> Decoded:
    """The polynomial of a row, as `pyarrow.Table.to_pylist` gives it, of either mode."""
    n = row["num_variables"]
    basis = np.array(row["basis"], dtype=np.int16).reshape(-1, n)
    if "exponents" in row:
        exponents = np.array(row["exponents"], dtype=np.int16).reshape(-1, n)
        return Decoded(exponents, np.array(row["coefficients"], dtype=np.int64), basis)
    name = RowName(row["dataset"], row["seed"], row["row"])
    exponents, coefficients = regenerate(name, content=row["content"], basis=basis)
    return Decoded(exponents, coefficients, basis)


class RowName(NamedTuple):
    """What names the random stream of a row."""

    dataset: str
    seed: int
    row: int


def regenerate(
    name: RowName, *, content: int, basis: NDArray[np.integer], place: str = ""
) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """The terms of one row, from its stream.

    Parameters
    ----------
    name : RowName
    content : int
    basis : int (m, n)
        As stored.
    place : str
        Where: the name of the file.

    Returns
    -------
    exponents : int16 (T, n)
    coefficients : int64 (T,)

    Raises
    ------
    StoreError
        If content or basis are others than those that are stored.
    """
    cell = Cell.parse(name.dataset)
    rows = Rows.generate(cell, seed=name.seed, first=name.row, count=1, terms=True)
    if rows.content[0] != content or not np.array_equal(rows.basis_of(0), basis):
        raise StoreError(
            f"{place or 'shard'}: row {name.row} of {name.dataset} is not what is generated again: "
            "it is damaged or of another version of the generator; make the data set again"
        )
    exponents, coefficients = rows.terms_of(0)
    return exponents.astype(np.int16), coefficients
