"""What all questions of optimization ask of the polynomials that they are given."""

from __future__ import annotations

from collections.abc import Iterable

from flint import fmpq

from tasks.records import InputError
from tasks.records.errors import shortened
from tasks.sos.polynomials.polynomial import Polynomial

LARGEST = fmpq(1 << 500)
"""About 3e150: squares of coefficients, and their inverses, are floats."""


def check_posed(polynomials: Iterable[Polynomial]) -> None:
    """Refuse polynomials in no variables, or of a size whose square overflows.

    Raises
    ------
    InputError
    """
    for p in polynomials:
        if not p.num_variables:
            raise InputError(
                f"{shortened(str(p))} has no variables: name some, as in "
                'parse_polynomial(text, ("x", "y"))'
            )
        largest = max(map(abs, p.coefficients), default=fmpq(0))
        if not _is_fit(largest):
            check_size(f"the largest coefficient of {shortened(str(p))}", largest)


def check_size(what: str, value: fmpq) -> None:
    """`InputError` for a number other than 0 beyond `LARGEST`, or below its inverse."""
    if not _is_fit(value):
        raise InputError(f"{what} is not between 3e-151 and 3e150: give the problem another scale")


def _is_fit(value: fmpq) -> bool:
    return value == 0 or 1 / LARGEST <= abs(value) <= LARGEST
