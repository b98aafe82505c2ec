"""Lists of terms: checks of what is given, their canonical order, their text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from flint import fmpq
from numpy.typing import ArrayLike, NDArray

from tasks.records import InputError
from tasks.records.errors import shortened

MAX_EXPONENT = 2**31 - 1
"""Also of the total degree: exponents are int32."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_variables(variables: Any) -> tuple[str, ...]:
    """The names as a tuple.

    Raises
    ------
    InputError
        If they are not distinct names of the form `NAME`.
    """
    if isinstance(variables, str) or not isinstance(variables, Sequence):
        raise InputError(f"variables {shortened(variables)}: give a list of names")
    for name in variables:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise InputError(
                f"{shortened(name)} is no name of a variable: use letters, digits and underscores, "
                "not starting with a digit"
            )
    if len(set(variables)) < len(variables):
        twice = next(name for i, name in enumerate(variables) if name in variables[:i])
        raise InputError(f"the variable {shortened(twice)} is given twice")
    return tuple(variables)


def check_exponents(exponents: ArrayLike, shape: tuple[int, int]) -> NDArray[np.int32]:
    """The rows as int32 of this shape (T, n); `InputError` if they are not."""
    try:
        rows = np.asarray(exponents)
    except (ValueError, OverflowError) as error:
        raise InputError("the exponents are no list of rows of equal length") from error
    if rows.size == 0 and 0 in shape and len(rows) == shape[0]:
        return np.zeros(shape, dtype=np.int32)
    if rows.shape != shape:
        raise InputError(
            f"exponents of shape {rows.shape} do not fit {shape[0]} coefficients and {shape[1]} "
            f"variables: give shape {shape}"
        )
    # Total degrees in int64 cannot overflow before the entries have been found too large.
    if rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() > MAX_EXPONENT:
        raise InputError(
            f"exponents are integers from 0 to {MAX_EXPONENT}, {_offender(rows)} is none"
        )
    if rows.sum(axis=1, dtype=np.int64).max() > MAX_EXPONENT:
        raise InputError(f"a term has a degree of more than {MAX_EXPONENT}")
    return rows.astype(np.int32)


def _offender(rows: NDArray[Any]) -> str:
    """The first entry that is not an exponent."""
    entries = rows.ravel().tolist()
    is_whole = (
        isinstance(e, int | float) and 0 <= e <= MAX_EXPONENT and e % 1 == 0 for e in entries
    )
    # Whole floats come last: one fraction makes all entries floats.
    return shortened(next((e for e, w in zip(entries, is_whole, strict=True) if not w), entries[0]))


def term_text(coefficient: fmpq, variables: Sequence[str], row: Sequence[int]) -> str:
    """A term with its sign in front: ``+ 3/2*x^2*y``."""
    factors = [
        name if e == 1 else f"{name}^{e}" for name, e in zip(variables, row, strict=True) if e
    ]
    size = abs(coefficient)
    if size != 1 or not factors:
        factors.insert(0, str(size))
    return f"{'-' if coefficient < 0 else '+'} {'*'.join(factors)}"
