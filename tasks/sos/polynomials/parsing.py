"""Polynomials from text and from SymPy.

A text is a sum of products such as ``x^4 + 2*x*y - 3/2`` or ``(x1 - 1)**2 / 3 + 1e-3*x2``:
``+ - *``, ``/`` by numbers, ``^`` or ``**`` with an integer from 0 on, parentheses, names
``[A-Za-z_][A-Za-z0-9_]*``, and integers and decimals, which are taken exactly as written.
``nan``, ``inf`` and ``infinity`` are variables only if they are given as such.
Products are written with ``*``; the power binds before the sign, so ``-x^2`` is -(x^2).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tasks.records import InputError
from tasks.records.errors import shortened
from tasks.sos.polynomials._parser import MAX_STEPS, Parser
from tasks.sos.polynomials._plain import plain_sum
from tasks.sos.polynomials._terms import check_variables
from tasks.sos.polynomials.polynomial import Polynomial

MAX_TEXT = 64 * 2**20
"""Characters; about 4 million terms."""

MAX_DEGREE = 10_000

MAX_VARIABLES = 10_000

NO_NUMBERS = ("nan", "inf", "infinity")
"""What programs write for floats that are not numbers."""

# The e of 1e3 is not a name.
_NAME = re.compile(r"(?<![A-Za-z0-9_.])[A-Za-z_][A-Za-z0-9_]*")


def parse_polynomial(text: str, variables: Sequence[str] | None = None) -> Polynomial:
    """The polynomial of a text.

    Parameters
    ----------
    text
        See the module.
    variables
        Names in order; by default those that occur, with numbers in them ordered as numbers:
        ``x2`` before ``x10``.

    Raises
    ------
    InputError
        With the position of the first thing that cannot be read, or the limit that is exceeded.

    >>> print(parse_polynomial("(x + y)^2 - 0.5*x*y"))
    x^2 + 3/2*x*y + y^2
    """
    if not isinstance(text, str):
        raise InputError(f"{shortened(text)} is no text of a polynomial")
    if not text.strip():
        raise InputError("the text is empty: write a polynomial such as x^4 + 2*x*y - 3/2")
    if len(text) > MAX_TEXT:
        raise InputError(f"the text has {len(text)} characters: at most {MAX_TEXT} are allowed")
    names = _own_names(text) if variables is None else check_variables(variables)
    if len(names) > MAX_VARIABLES:
        raise InputError(f"{len(names)} variables: at most {MAX_VARIABLES} are allowed")
    result = plain_sum(text, names, max_entries=MAX_STEPS)
    if result is None:
        result = Parser(text, names).polynomial()
    return check_degree(result)


def check_degree(p: Polynomial) -> Polynomial:
    """p itself; `InputError` if its degree exceeds `MAX_DEGREE`."""
    if p.degree > MAX_DEGREE:
        raise InputError(f"the degree is {p.degree}: at most {MAX_DEGREE} is allowed")
    return p


def from_sympy(expression: Any, gens: Sequence[Any] | None = None) -> Polynomial:
    """The polynomial of a SymPy expression with rational coefficients.

    Parameters
    ----------
    expression
        A SymPy expression or `Poly`; floats in it are taken exactly.
    gens
        Its symbols in order; by default those that occur, ordered as in `parse_polynomial`.

    Raises
    ------
    InputError
        If it is not a polynomial in these symbols over the rationals.
    """
    import sympy

    try:
        expr = sympy.sympify(expression).as_expr()
        exact = expr.xreplace(
            {number: sympy.Rational(number) for number in expr.atoms(sympy.Float)}
        )
        _check_powers(exact)
        symbols = list(gens or sorted(exact.free_symbols, key=lambda symbol: _natural(str(symbol))))
        names = check_variables([str(symbol) for symbol in symbols])
        # SymPy has no polynomials in no variables; a variable that does not occur stands in.
        terms = sympy.Poly(exact, *(symbols or [sympy.Dummy()]), domain="QQ").as_dict()
    except (
        sympy.SympifyError,
        sympy.PolynomialError,
        sympy.CoercionFailed,
        TypeError,
        AttributeError,
    ) as error:
        raise InputError(
            f"{shortened(expression)} is no polynomial with rational coefficients"
        ) from error
    return check_degree(
        Polynomial.of(names, {row[: len(names)]: f"{c.p}/{c.q}" for row, c in terms.items()})
    )


def _check_powers(expression: Any) -> None:
    """Refuse powers that SymPy would expand until memory is over."""
    import sympy

    for power in expression.atoms(sympy.Pow):
        exponent = power.exp
        if exponent.is_Integer and exponent > MAX_DEGREE and power.free_symbols:
            raise InputError(
                f"the power {shortened(exponent)} is too high: at most {MAX_DEGREE} is allowed"
            )


def _own_names(text: str) -> tuple[str, ...]:
    """The distinct names in a text, in natural order; what floats are called is refused."""
    names = tuple(sorted(set(_NAME.findall(text)), key=_natural))
    for name in names:
        if name.lower() in NO_NUMBERS:
            raise InputError(
                f"{name!r} is no rational number; if it is a variable, give it another name"
            )
    return names


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sorting key that orders digits as numbers."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    # A long run of digits is compared as text of its length, which is the same order.
    return [
        (0, len(p.lstrip("0")), p.lstrip("0")) if p[0].isdigit() else (1, 0, p) for p in parts
    ] + [(-1, 0, name)]
