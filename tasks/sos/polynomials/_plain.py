"""Sums of plain terms such as ``- 3/2*x^2*y``, the form that ``str(polynomial)`` has, read fast.

Long texts are nearly always of this form. Everything else is left to `_parser`, which
knows the whole grammar and says where a text is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from flint import fmpq

from tasks.sos.polynomials._numbers import rational
from tasks.sos.polynomials._terms import MAX_EXPONENT
from tasks.sos.polynomials.polynomial import Polynomial

_LONGEST_TERM = 10_000  # The parser bounds the size of longer products.

_TERM = re.compile(r"([+-]?)([^-+]+)")
_FACTOR = re.compile(
    r"\s*(?:(?P<number>[0-9]{1,1000}(?:\.[0-9]{0,1000}|/[0-9]{0,1000}[1-9][0-9]{0,1000})?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:\s*\^\s*(?P<power>[0-9]{1,10}))?)\s*"
)


class TermList:
    """Collects terms and expanded sums, which together are one sum."""

    def __init__(self, variables: tuple[str, ...]) -> None:
        self._variables = variables
        self._coefficients: list[fmpq] = []
        # Of each variable in each term: the term's number, the variable's index, its exponent.
        self._terms: list[int] = []
        self._indices: list[int] = []
        self._exponents: list[int] = []
        self._sums: list[Polynomial] = []

    @property
    def num_terms(self) -> int:
        """The number of terms collected."""
        return len(self._coefficients) + sum(p.num_terms for p in self._sums)

    def add(self, coefficient: fmpq, monomial: Sequence[tuple[int, int]]) -> None:
        """Add coefficient times a product of variables, given by index and exponent."""
        term = len(self._coefficients)
        self._coefficients.append(coefficient)
        for index, exponent in monomial:
            self._terms.append(term)
            self._indices.append(index)
            self._exponents.append(exponent)

    def add_sum(self, p: Polynomial) -> None:
        """Add a polynomial."""
        self._sums.append(p)

    def polynomial(self) -> Polynomial:
        """The sum."""
        rows = np.zeros((len(self._coefficients), len(self._variables)), dtype=np.int64)
        np.add.at(rows, (self._terms, self._indices), self._exponents)
        return Polynomial.from_arrays(
            self._variables,
            np.concatenate([rows, *(p.exponents for p in self._sums)]),
            [*self._coefficients, *(c for p in self._sums for c in p.coefficients)],
        )


def plain_sum(text: str, variables: tuple[str, ...], *, max_entries: int) -> Polynomial | None:
    """The polynomial of a sum of plain terms; None if it is something else, or too large."""
    terms = _TERM.findall(text)
    lengths = [len(sign) + len(term) for sign, term in terms]
    if sum(lengths) < len(text) or max(lengths, default=0) > _LONGEST_TERM:
        return None
    if len(terms) * len(variables) > max_entries:
        return None
    total = TermList(variables)
    index = {name: i for i, name in enumerate(variables)}
    known: dict[str, fmpq | tuple[int, int]] = {}
    for sign, term in terms:
        coefficient, monomial = fmpq(-1 if sign == "-" else 1), []
        for text_of_factor in term.split("*"):
            factor = known.get(text_of_factor)
            if factor is None:
                factor = _factor(text_of_factor, index)
                if factor is None:
                    return None
                known[text_of_factor] = factor
            if isinstance(factor, tuple):
                monomial.append(factor)
            else:
                coefficient *= factor
        total.add(coefficient, monomial)
    return total.polynomial()


def _factor(text: str, index: Mapping[str, int]) -> fmpq | tuple[int, int] | None:
    """A number, or a variable's index and power; None for anything else."""
    match = _FACTOR.fullmatch(text)
    if match is None:
        return None
    if match["number"]:
        return rational(match["number"])
    power = int(match["power"] or 1)
    if match["name"] not in index or power > MAX_EXPONENT:
        return None
    return index[match["name"]], power
