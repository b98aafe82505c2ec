"""A recursive-descent parser of polynomial texts.

    sum     = product (("+" | "-") product)*
    product = factor (("*" | "/") factor)*              a divisor is a number
    factor  = ("+" | "-")* atom [("^" | "**") integer]  the power binds before the sign
    atom    = number | name | "(" sum ")"

A sum is collected as a list of terms; only parentheses and powers of numbers are expanded, as
`Polynomial`. So a text of T terms without them takes O(T) steps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TypeVar

from flint import fmpq

from tasks.records import InputError
from tasks.records.errors import shortened
from tasks.sos.polynomials._numbers import rational
from tasks.sos.polynomials._plain import TermList
from tasks.sos.polynomials._terms import MAX_EXPONENT
from tasks.sos.polynomials.polynomial import Polynomial

MAX_DEPTH = 100
"""Of nested parentheses."""

MAX_NUMBER_BITS = 1_000_000
"""Of the numerator and denominator of a product of numbers."""

MAX_STEPS = 100_000_000
"""Of one text: exponents and products of terms, which bounds time (a minute) and memory."""

_EXPONENT_STEPS = 10  # An expanded exponent takes as long as so many products of terms.

# The token for a name includes its power; a malformed power is left for the next token.
TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:\s*(?:\^|\*\*)\s*(?P<power>[0-9]+)(?![0-9.eE]))?"
    r"|(?P<operator>\*\*|[-+*/^()])|(?P<end>\Z))"
)

_number = lru_cache(maxsize=4096)(rational)

_TOO_LONG = f"a number of more than {MAX_NUMBER_BITS} bits"
_POWERS = ("^", "**")

T = TypeVar("T")

Factor = fmpq | tuple[int, int] | Polynomial
"""A number, a variable's index with its power, or an expanded sum."""


class Parser:
    """Parses one text in given variables; `polynomial` is the entry."""

    def __init__(self, text: str, variables: Sequence[str]) -> None:
        self._text = text
        self._variables = tuple(variables)
        self._index = {name: i for i, name in enumerate(variables)}
        self._tokens = self._scan()
        self._steps = self._depth = 0
        self._advance()

    def polynomial(self) -> Polynomial:
        """The polynomial of the whole text."""
        result = self._sum()
        if self._token == ")":
            raise self._error("')' closes no parenthesis")
        if self._kind != "end":
            raise self._error(f"expected an operator before {shortened(self._token)}")
        return result

    def _scan(self) -> Iterator[re.Match[str]]:
        position = 0
        while match := TOKEN.match(self._text, position):
            yield match
            position = match.end()
        while self._text[position].isspace():
            position += 1
        raise self._error(f"cannot read {self._text[position]!r}", position)

    def _advance(self) -> None:
        self._match = match = next(self._tokens)
        self._kind = kind = match.lastgroup or "end"
        self._token = match[kind]

    @property
    def _position(self) -> int:
        return self._match.start(self._kind if self._kind != "power" else "name")

    def _error(self, reason: str, position: int | None = None) -> InputError:
        at = self._position if position is None else position
        if at >= len(self._text.rstrip()):
            return InputError(f"{reason} at the end of {shortened(self._text.strip())}")
        around = shortened(self._text[max(0, at - 12) : at + 24])
        return InputError(f"{reason} at position {at + 1}, in {around}")

    def _spend(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise self._error(f"expanding takes more than {MAX_STEPS} steps: too large")

    def _sum(self) -> Polynomial:
        total = TermList(self._variables)
        self._product(total, fmpq(1))
        while self._token in ("+", "-"):
            sign = fmpq(1 if self._token == "+" else -1)
            self._advance()
            self._product(total, sign)
        self._spend(total.num_terms * len(self._variables))
        return total.polynomial()

    def _product(self, total: TermList, coefficient: fmpq) -> None:
        """Read a product and add it, times the coefficient, to the total."""
        monomial: list[tuple[int, int]] = []
        sums: list[Polynomial] = []
        operator = "*"
        while operator:
            while self._token in ("+", "-"):
                coefficient = -coefficient if self._token == "-" else coefficient
                self._advance()
            position = self._position
            factor = self._factor()
            if isinstance(factor, fmpq):
                coefficient = self._scaled(coefficient, operator, factor, position)
            elif operator == "/":
                raise self._error("a divisor is not a number", position)
            elif isinstance(factor, tuple):
                monomial.append(factor)
            else:
                sums.append(factor)
            operator = self._token if self._token in ("*", "/") else ""
            if operator:
                self._advance()
        if not sums:
            total.add(coefficient, monomial)
            return
        plain = TermList(self._variables)
        plain.add(coefficient, monomial)
        total.add_sum(self._expanded([*sums, plain.polynomial()]))

    def _scaled(self, value: fmpq, operator: str, factor: fmpq, position: int) -> fmpq:
        if operator == "/" and factor == 0:
            raise self._error("division by zero", position)
        value = value * factor if operator == "*" else value / factor
        if value.height_bits() > MAX_NUMBER_BITS:
            raise self._error(_TOO_LONG, position)
        return value

    def _factor(self) -> Factor:
        """An atom with its power."""
        position, token = self._position, self._token
        if self._kind in ("name", "power"):
            factor = self._variable()
        elif self._kind == "number":
            factor = self._guarded(lambda: _number(token), position)
            self._advance()
        elif token == "(":
            factor = self._parenthesis()
        else:
            what = "" if self._kind == "end" else f", not {token!r},"
            raise self._error(f"expected a number, a variable or '('{what}")
        return self._power(factor, position) if self._token in _POWERS else factor

    def _variable(self) -> tuple[int, int]:
        name, power = self._match["name"], self._match["power"] or "1"
        if name not in self._index:
            known = ", ".join(self._variables[:12]) + (", ..." if len(self._variables) > 12 else "")
            raise self._error(f"unknown variable {shortened(name)} (known: {known or 'none'})")
        factor = self._index[name], self._exponent(power)
        self._advance()
        return factor

    def _parenthesis(self) -> Factor:
        opened = self._position
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"more than {MAX_DEPTH} nested parentheses")
        self._advance()
        result = self._sum()
        if self._kind == "end":
            raise self._error("a parenthesis is not closed, opened", opened)
        if self._token != ")":
            raise self._error(f"expected an operator before {shortened(self._token)}")
        self._depth -= 1
        self._advance()
        return _folded(result)

    def _power(self, base: Factor, position: int) -> Factor:
        """The power of what was read; the token is its operator."""
        self._advance()
        if self._kind != "number" or not self._token.isdigit():
            raise self._error("a power is an integer from 0 on, without sign or parentheses: wrong")
        exponent = self._exponent(self._token)
        self._advance()
        # A variable has taken its power along.
        if self._token in _POWERS or isinstance(base, tuple):
            raise self._error("a power of a power needs parentheses")
        if isinstance(base, fmpq):
            if (base.height_bits() - 1) * exponent > MAX_NUMBER_BITS:
                raise self._error(_TOO_LONG, position)
            base = Polynomial.constant(self._variables, base)
        result = self._guarded(lambda: base**exponent, position)
        self._spend(_EXPONENT_STEPS * result.num_terms * (1 + len(self._variables)))
        return _folded(result)

    def _exponent(self, digits: str) -> int:
        if len(digits) > 10 or int(digits) > MAX_EXPONENT:
            raise self._error(f"the power {shortened(digits)} is too large")
        return int(digits)

    def _expanded(self, factors: list[Polynomial]) -> Polynomial:
        """The product, by pairs so that both factors stay about equally large."""
        while len(factors) > 1:
            rest = factors[-1:] if len(factors) % 2 else []
            pairs = zip(factors[::2], factors[1::2], strict=False)
            factors = [self._times(p, q) for p, q in pairs] + rest
        return factors[0]

    def _times(self, p: Polynomial, q: Polynomial) -> Polynomial:
        words = 1 + (_bits(p) + _bits(q)) // 64
        self._spend(p.num_terms * q.num_terms * words)
        result = self._guarded(lambda: p * q, self._position)
        self._spend(_EXPONENT_STEPS * result.num_terms * (1 + len(self._variables)))
        return result

    def _guarded(self, compute: Callable[[], T], position: int) -> T:
        """The result of an operation; its errors get the position."""
        try:
            return compute()
        except InputError as error:
            raise self._error(f"{error},", position) from error


def _folded(p: Polynomial) -> fmpq | Polynomial:
    """A constant as a number."""
    if p.degree > 0:
        return p
    return fmpq(0) if p.is_zero else p.coefficients[0]


def _bits(p: Polynomial) -> int:
    return max((c.height_bits() for c in p.coefficients), default=0)
