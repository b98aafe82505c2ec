"""What certificates are made of: Gram blocks, equalities, rows, matrices, digests, files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from flint import fmpq, fmpq_mat
from numpy.typing import ArrayLike

from tasks.records import InputError
from tasks.sos.checker._form import Stated, parse_certificate_data
from tasks.sos.polynomials.polynomial import Polynomial, Rational, rational

Row = tuple[int, ...]
Gram = fmpq_mat | Sequence[Sequence[Rational]]
"""A symmetric matrix of exact numbers."""
Entry = tuple[int, int, fmpq]


@dataclass(frozen=True)
class GramBlock:
    """The polynomial g z'Qz, with monomials z and a positive semidefinite matrix Q.

    Attributes
    ----------
    basis
        Exponents of z, m distinct rows.
    entries
        (i, j, Q_ij) with i >= j and Q_ij != 0, row by row.
    multiplier
        g; None stands for 1.
    """

    basis: tuple[Row, ...]
    entries: tuple[Entry, ...]
    multiplier: Polynomial | None = None

    @classmethod
    def of(cls, basis: ArrayLike, gram: Gram, *, multiplier: Polynomial | None = None) -> GramBlock:
        """Block of a basis of shape (m, n) and an exact matrix of shape (m, m).

        Raises
        ------
        InputError
            If the shapes do not fit or the matrix is not symmetric.
        """
        rows = as_rows(basis)
        matrix = as_matrix(gram, len(rows))
        entries = tuple(
            (i, j, q) for i, row in enumerate(matrix) for j, q in enumerate(row[: i + 1]) if q
        )
        return cls(rows, entries, multiplier)

    @property
    def gram(self) -> fmpq_mat:
        """Q, shape (m, m)."""
        matrix = fmpq_mat(len(self.basis), len(self.basis))
        for i, j, q in self.entries:
            matrix[i, j] = matrix[j, i] = q
        return matrix

    def to_data(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "multiplier": None if self.multiplier is None else part(self.multiplier),
            "basis": [list(row) for row in self.basis],
            "entries": [[i, j, str(q)] for i, j, q in self.entries],
        }


@dataclass(frozen=True)
class Equality:
    """The product h q: of a polynomial h that vanishes on the set and any multiplier q."""

    polynomial: Polynomial
    multiplier: Polynomial

    def to_data(self) -> dict[str, Any]:
        """The JSON object."""
        return {"polynomial": part(self.polynomial), "multiplier": part(self.multiplier)}


def as_rows(rows: ArrayLike) -> tuple[Row, ...]:
    """Integer rows as tuples."""
    array = np.asarray(rows, dtype=object)
    if array.size and array.ndim != 2:
        raise InputError(f"rows of shape {array.shape}: give integers of shape (m, n)")
    return tuple(tuple(int(e) for e in row) for row in array)


def as_matrix(gram: Gram, size: int) -> list[list[fmpq]]:
    """Rows of a symmetric matrix of this size; `InputError` if it is not one."""
    is_exact = isinstance(gram, fmpq_mat)
    rows = gram.tolist() if is_exact else [[rational(q) for q in row] for row in gram]
    if len(rows) != size or any(len(row) != size for row in rows):
        raise InputError(f"a Gram matrix of {len(rows)} rows for {size} monomials: give {size}")
    transposed = fmpq_mat(size, size, [q for row in rows for q in row]) if not is_exact else gram
    if transposed != transposed.transpose():
        raise InputError("the Gram matrix is not symmetric")
    return rows


def graded_order(rows: Iterable[Row]) -> list[Row]:
    """Rows by degree and then lexicographically, largest first."""
    return sorted(rows, key=lambda row: (sum(row), row), reverse=True)


def part(polynomial: Polynomial) -> dict[str, Any]:
    """Exponents and coefficients as JSON."""
    return {
        "exponents": polynomial.exponents.tolist(),
        "coefficients": [str(c) for c in polynomial.coefficients],
    }


def digest(data: Mapping[str, Any]) -> str:
    """SHA-256 of all but the stated digest, 64 hex digits."""
    content = {key: value for key, value in data.items() if key != "sha256"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode("ascii")).hexdigest()


def checked_data(data: Mapping[str, Any]) -> Stated:
    """What a JSON object states; `InputError` if its form or its digest is wrong."""
    stated = parse_certificate_data(data)
    if "sha256" in data and data["sha256"] != digest(data):
        raise InputError("the certificate was changed since it was written: its digest differs")
    return stated
