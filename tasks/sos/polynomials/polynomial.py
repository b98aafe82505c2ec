"""Exact sparse polynomials in Q[x_1, ..., x_n].

A polynomial is its list of T terms c_a x^a with distinct exponent rows a and c_a != 0, in graded
lexicographic order: total degree descending, then rows descending. The zero polynomial has no
terms and degree -1. Coefficients are python-flint's rationals `fmpq`, and its sparse polynomials
compute; rows and coefficients are taken from them when they are asked for.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain
from typing import Any

import numpy as np
from flint import Ordering, fmpq, fmpq_mpoly, fmpq_mpoly_ctx
from numpy.typing import ArrayLike, NDArray

from tasks.records import InputError
from tasks.sos.polynomials._limits import check_power, check_product
from tasks.sos.polynomials._numbers import Rational, is_exact, power_of_two, rational, rounded
from tasks.sos.polynomials._terms import check_exponents, check_variables, term_text

__all__ = ["Polynomial", "Rational", "power_of_two", "rational"]

_BLOCK = 1 << 22  # Entries of a (points, terms) block of floats: 32 MiB.


@dataclass(frozen=True, eq=False, repr=False)
class Polynomial:
    """A polynomial with rational coefficients; built by `of`, `from_arrays` and arithmetic.

    Attributes
    ----------
    variables : tuple of str
        n distinct names, each a letter or underscore followed by letters, digits, underscores.
    flint : fmpq_mpoly
        The terms, in the ordering deglex; never changed.

    Two polynomials are equal if variables and terms are. ``+ - *`` take polynomials in the same
    variables and numbers (int, Fraction, fmpq); ``**`` takes a nonnegative int; ``/`` a number.

    >>> x, y = (Polynomial.variable(("x", "y"), i) for i in range(2))
    >>> print((x + 2 * y) ** 2 - 1)
    x^2 + 4*x*y + 4*y^2 - 1
    """

    variables: tuple[str, ...]
    flint: fmpq_mpoly

    # NumPy scalars leave ``scalar * polynomial`` to __rmul__.
    __array_ufunc__ = None

    @classmethod
    def of(cls, variables: Sequence[str], terms: Mapping[tuple[int, ...], Rational]) -> Polynomial:
        """Polynomial with the given coefficients at exponent tuples; see `from_arrays`."""
        return cls.from_arrays(variables, list(terms.keys()), list(terms.values()))

    @classmethod
    def from_arrays(
        cls, variables: Sequence[str], exponents: ArrayLike, coefficients: Sequence[Any]
    ) -> Polynomial:
        """Sum of c_k x^(a_k); duplicates are summed and zeros dropped.

        Parameters
        ----------
        variables
            n distinct names.
        exponents
            Integers from 0 to 2^31 - 1, shape (T, n).
        coefficients
            T numbers as `rational` takes them.

        Raises
        ------
        InputError
            For anything else.
        """
        names = check_variables(variables)
        values = [rational(value) for value in coefficients]
        rows = check_exponents(exponents, (len(values), len(names)))
        terms: dict[tuple[int, ...], fmpq] = {}
        for row, value in zip(map(tuple, rows.tolist()), values, strict=True):
            terms[row] = terms[row] + value if row in terms else value
        return cls(names, _context(len(names)).from_dict(terms))

    @classmethod
    def zero(cls, variables: Sequence[str]) -> Polynomial:
        """0."""
        return cls.of(variables, {})

    @classmethod
    def constant(cls, variables: Sequence[str], value: Rational) -> Polynomial:
        """The constant value."""
        return cls.of(variables, {(0,) * len(variables): value})

    @classmethod
    def variable(cls, variables: Sequence[str], index: int) -> Polynomial:
        """x_index, counted from 0."""
        if not 0 <= index < len(variables):
            raise InputError(f"no variable {index}: there are {len(variables)}, counted from 0")
        row = tuple(int(i == index) for i in range(len(variables)))
        return cls.of(variables, {row: 1})

    @cached_property
    def exponents(self) -> NDArray[np.int32]:
        """Distinct rows, graded lexicographic, largest first: shape (T, n), read-only."""
        entries = chain.from_iterable(self.flint.monoms())
        rows = np.fromiter(entries, np.int32, self.num_terms * self.num_variables)
        rows.setflags(write=False)
        return rows.reshape(self.num_terms, self.num_variables)

    @cached_property
    def coefficients(self) -> tuple[fmpq, ...]:
        """T nonzero numbers."""
        return tuple(self.flint.coeffs())

    @property
    def num_variables(self) -> int:
        """n."""
        return len(self.variables)

    @property
    def num_terms(self) -> int:
        """T."""
        return len(self.flint)

    @property
    def degree(self) -> int:
        """Total degree; -1 for zero."""
        return int(self.flint.total_degree())

    @property
    def is_zero(self) -> bool:
        """Whether there are no terms."""
        return not len(self.flint)

    @property
    def is_homogeneous(self) -> bool:
        """Whether all terms have the same degree; true for zero."""
        return self.is_zero or self.degree == int(self.exponents[-1].sum(dtype=np.int64))

    @cached_property
    def _lookup(self) -> dict[tuple[int, ...], fmpq]:
        return dict(zip(map(tuple, self.exponents.tolist()), self.coefficients, strict=True))

    def terms(self) -> dict[tuple[int, ...], fmpq]:
        """Coefficients by exponent tuple, largest exponent first."""
        return dict(self._lookup)

    def coefficient(self, exponent: Sequence[int]) -> fmpq:
        """Coefficient of x^exponent, 0 if there is no such term."""
        key = tuple(int(e) for e in exponent)
        if len(key) != self.num_variables:
            raise InputError(
                f"exponent {key} has {len(key)} entries: give one for each of the "
                f"{self.num_variables} variables"
            )
        return self._lookup.get(key, fmpq(0))

    def float_coefficients(self) -> NDArray[np.float64]:
        """Coefficients rounded correctly to float64, shape (T,); beyond its range infinite."""
        return np.array([rounded(c) for c in self.coefficients], dtype=np.float64)

    def content_hash(self) -> str:
        """SHA-256 in hex of n and the terms; the names of the variables do not enter."""
        digest = hashlib.sha256(f"polynomial {self.exponents.shape}\n".encode())
        digest.update(self.exponents.astype("<i4").tobytes())
        digest.update(",".join(map(str, self.coefficients)).encode())
        return digest.hexdigest()

    def evaluate(self, point: Sequence[Rational]) -> fmpq:
        """p(point), exactly; the n coordinates are as `rational` takes them."""
        self._check_length(len(point), "the point has")
        return fmpq(self.flint(*(rational(x) for x in point)))

    def evaluate_floats(self, points: ArrayLike) -> NDArray[np.float64]:
        """p at points of shape (..., n), in floating point; shape (...).

        Time and memory are proportional to points times nonzero exponents; memory is bounded by
        splitting the points.
        """
        x = np.asarray(points, dtype=np.float64)
        self._check_length(x.shape[-1] if x.ndim else 0, "the points have")
        flat = x.reshape(math.prod(x.shape[:-1]), self.num_variables)
        values = np.empty(len(flat))
        step = max(1, _BLOCK // max(1, self.num_terms))
        coefficients = self.float_coefficients()
        for start in range(0, len(flat), step):
            part = slice(start, start + step)
            values[part] = _monomial_values(self.exponents, flat[part]) @ coefficients
        return values.reshape(x.shape[:-1])

    def gradient(self) -> tuple[Polynomial, ...]:
        """The n partial derivatives."""
        return tuple(self._of(self.flint.derivative(i)) for i in range(self.num_variables))

    def scaled(self, shifts: Sequence[int]) -> Polynomial:
        """p(2^s_1 x_1, ..., 2^s_n x_n), exactly."""
        self._check_length(len(shifts), "the shifts have")
        # Python integers: the products of exponents and shifts may exceed 64 bits.
        powers = self.exponents.astype(object) @ np.array([int(s) for s in shifts], dtype=object)
        values = [c * power_of_two(k) for c, k in zip(self.coefficients, powers, strict=True)]
        return Polynomial.from_arrays(self.variables, self.exponents, values)

    def _check_length(self, length: int, what: str) -> None:
        if length != self.num_variables:
            raise InputError(
                f"{what} {length} coordinates: give one for each of the {self.num_variables} "
                "variables"
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Polynomial):
            return NotImplemented
        return self.variables == other.variables and bool(self.flint == other.flint)

    def __hash__(self) -> int:
        # A few coefficients suffice: flint's hash of a rational is slow.
        return hash((self.variables, self.exponents.tobytes(), self.coefficients[:4]))

    def __reduce__(self) -> tuple[Any, ...]:
        return Polynomial.from_arrays, (self.variables, self.exponents, self.coefficients)

    def __add__(self, other: Any) -> Polynomial:
        q = self._operand(other)
        return NotImplemented if q is None else self._of(self.flint + q)

    def __mul__(self, other: Any) -> Polynomial:
        q = self._operand(other)
        if isinstance(q, fmpq_mpoly):
            check_product(self.flint, q)
        return NotImplemented if q is None else self._of(self.flint * q)

    def __pow__(self, power: Any) -> Polynomial:
        if not isinstance(power, int) or isinstance(power, bool):
            return NotImplemented
        check_power(self.flint, power)
        return self._of(self.flint**power)

    def __truediv__(self, other: Any) -> Polynomial:
        if not is_exact(other):
            return NotImplemented
        if other == 0:
            raise InputError("a polynomial cannot be divided by zero")
        return self._of(self.flint / rational(other))

    def __neg__(self) -> Polynomial:
        return self._of(-self.flint)

    def __sub__(self, other: Any) -> Polynomial:
        q = self._operand(other)
        return NotImplemented if q is None else self._of(self.flint - q)

    def __rsub__(self, other: Any) -> Polynomial:
        return -self + other

    __radd__ = __add__
    __rmul__ = __mul__

    def _of(self, flint: fmpq_mpoly) -> Polynomial:
        return Polynomial(self.variables, flint)

    def _operand(self, other: Any) -> fmpq_mpoly | fmpq | None:
        """A number, or a polynomial in the same variables; None if it cannot be one."""
        if is_exact(other):
            return rational(other)
        if not isinstance(other, Polynomial):
            return None
        if other.variables != self.variables:
            raise InputError(
                f"polynomials in {', '.join(self.variables)} and in {', '.join(other.variables)} "
                "do not combine: give both the same variables in the same order"
            )
        return other.flint

    def __str__(self) -> str:
        rows = zip(self.coefficients, self.exponents.tolist(), strict=True)
        texts = [term_text(c, self.variables, row) for c, row in rows]
        text = " ".join(texts) or "0"
        return text[2:] if text.startswith("+ ") else text.replace("- ", "-", 1)

    def __repr__(self) -> str:
        text = str(self)
        shown = text if len(text) <= 200 else f"{text[:200]}... ({self.num_terms} terms)"
        return f"<Polynomial in {', '.join(self.variables)}: {shown}>"


@lru_cache(maxsize=64)
def _context(num_variables: int) -> fmpq_mpoly_ctx:
    return fmpq_mpoly_ctx.get(tuple(f"x{i}" for i in range(num_variables)), Ordering.deglex)


def _monomial_values(exponents: NDArray[np.int32], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """x^a for points (N, n) and rows (T, n): shape (N, T)."""
    values = np.ones((len(x), len(exponents)))
    for i in range(exponents.shape[1]):
        used = np.flatnonzero(exponents[:, i])
        values[:, used] *= x[:, i, None] ** exponents[used, i]
    return values
