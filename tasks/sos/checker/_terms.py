"""Sparse polynomials as dictionaries, part of the checker.

Exponent rows are packed into one integer, ``e_0 + e_1 B + e_2 B^2 + ...`` with a base B beyond all
sums that occur, so that the product of monomials is a sum of integers without carries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import lcm

from tasks.sos.checker._form import Block, SumClaim, Terms
from tasks.sos.checker._values import Row

Packed = dict[int, Fraction]


def entry_integers(
    entries: Mapping[tuple[int, int], Fraction],
) -> tuple[int, dict[tuple[int, int], int]]:
    """The least common denominator D and the integers D q."""
    scale = lcm(*(q.denominator for q in entries.values()))
    return scale, {place: q.numerator * (scale // q.denominator) for place, q in entries.items()}


class Packing:
    """Exponents as integers in a base that sums of at most four rows do not exceed."""

    def __init__(self, rows: Iterable[Row]) -> None:
        top = max((e for row in rows for e in row), default=0)
        self._base = 4 * top + 1

    def pack(self, row: Row) -> int:
        """The integer of a row."""
        number = 0
        for e in reversed(row):
            number = number * self._base + e
        return number

    def unpack(self, number: int, n: int) -> Row:
        """The row of length n of an integer."""
        row = []
        for _ in range(n):
            number, e = divmod(number, self._base)
            row.append(e)
        return tuple(row)

    def terms(self, terms: Terms) -> Packed:
        """A polynomial."""
        return {self.pack(row): value for row, value in terms.items()}

    def block(self, block: Block) -> Packed:
        """z'Qz, without the multiplier."""
        keys = [self.pack(row) for row in block.basis]
        scale, entries = entry_integers(block.entries)
        sums: dict[int, int] = {}
        for (i, j), q in entries.items():
            key = keys[i] + keys[j]
            sums[key] = sums.get(key, 0) + (q if i == j else 2 * q)
        return {key: Fraction(q, scale) for key, q in sums.items()}


def product(p: Packed, q: Packed) -> Packed:
    """The product; zeros may remain."""
    result: Packed = {}
    for a, c in p.items():
        for b, d in q.items():
            result[a + b] = result.get(a + b, 0) + c * d
    return result


def difference(n: int, polynomial: Terms, claim: SumClaim) -> Terms:
    """What the certificate leaves of p - bound; empty iff the identity holds."""
    rows = [*polynomial]
    for block in claim.blocks:
        rows += [*block.basis, *block.multiplier]
    for pair in claim.equalities:
        rows += [row for terms in pair for row in terms]
    packing = Packing(rows)
    rest = packing.terms(polynomial)
    parts = [{0: claim.bound}] if claim.bound else []
    for block in claim.blocks:
        squares = packing.block(block)
        factor = packing.terms(block.multiplier)
        parts.append(product(squares, factor) if factor else squares)
    parts += [product(packing.terms(h), packing.terms(q)) for h, q in claim.equalities]
    for part in parts:
        for key, value in part.items():
            rest[key] = rest.get(key, 0) - value
    return {packing.unpack(key, n): value for key, value in rest.items() if value}


def value_at(terms: Terms, point: Sequence[Fraction]) -> tuple[int, int]:
    """The value at a rational point: numerator and positive denominator, not reduced.

    Over the common denominator of all terms: c prod (u_i / v_i)^a_i has the numerator
    c prod u_i^a_i v_i^(d_i - a_i) over prod v_i^d_i, d_i being the largest a_i.
    """
    powers, below = [], 1
    for i, x in enumerate(point):
        used = {row[i] for row in terms}
        top = max(used, default=0)
        powers.append({e: x.numerator**e * x.denominator ** (top - e) for e in used})
        below *= x.denominator**top
    scale = lcm(*(c.denominator for c in terms.values()))
    total = 0
    for row, c in terms.items():
        product = c.numerator * (scale // c.denominator)
        for power, e in zip(powers, row, strict=True):
            product *= power[e]
        total += product
    return total, scale * below


def value_steps(terms: Terms, point: Sequence[Fraction]) -> float:
    """Bit operations of `value_at`, roughly: T s^1.585 for T terms with numerators of s bits."""
    tops = [max((row[i] for row in terms), default=0) for i in range(len(point))]
    bits = [max(x.numerator.bit_length(), x.denominator.bit_length()) for x in point]
    # Powers of 0 and +-1 stay short.
    size = sum(d * b for d, b in zip(tops, bits, strict=True) if b > 1)
    size += sum(c.denominator.bit_length() - 1 for c in terms.values())
    size += max((c.numerator.bit_length() for c in terms.values()), default=0)
    return len(terms) * float(size) ** 1.585  # Python multiplies as Karatsuba did


def monomial_text(row: Row, variables: Sequence[str]) -> str:
    """``x^2*y``; "1" for no factors."""
    factors = (
        name if e == 1 else f"{name}^{e}" for name, e in zip(variables, row, strict=True) if e
    )
    return "*".join(factors) or "1"


def polynomial_text(terms: Mapping[Row, Fraction | int], variables: Sequence[str]) -> str:
    """``x^4 + 2*x*y - 3/2``: by degree and then lexicographically, largest first."""
    text = ""
    for row in sorted(terms, key=lambda row: (sum(row), row), reverse=True):
        value, name = terms[row], monomial_text(row, variables)
        size = number_text(abs(value))
        body = size if name == "1" else name if size == "1" else f"{size}*{name}"
        text += f" {'-' if value < 0 else '+'} {body}" if text else f"{'-' * (value < 0)}{body}"
    return text or "0"


def number_text(value: Fraction | int) -> str:
    """``-3/2``, of any length."""
    above, below = value.numerator, value.denominator
    text = ("-" if above < 0 else "") + _digits(abs(above))
    return text if below == 1 else f"{text}/{_digits(below)}"


def _digits(value: int) -> str:
    """Decimal digits; Python itself refuses to write more than 4300."""
    if value.bit_length() < 13_000:
        return str(value)
    half = value.bit_length() * 3 // 20  # about half of the digits: log10(2) / 2
    above, below = divmod(value, 10**half)
    return _digits(above) + _digits(below).zfill(half)


def short_number(value: Fraction) -> str:
    """A number for messages; a long one as three digits times a power of two."""
    return short_quotient(value.numerator, value.denominator)


def short_quotient(above: int, below: int) -> str:
    """The same for a quotient that is not reduced, which takes long for long ones."""
    lengths = above.bit_length(), below.bit_length()
    if max(lengths) <= 256:
        text = number_text(Fraction(above, below))
        if len(text) <= 40:
            return text
    first, second = (
        value >> max(0, length - 64) for value, length in zip((above, below), lengths, strict=True)
    )
    leading = first / second * 2.0 ** (min(lengths[1], 64) - min(lengths[0], 64))
    return f"about {leading:.3g}*2^{lengths[0] - lengths[1]}"
