"""The squares of a certificate written out, part of the checker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import gcd

from tasks.sos.checker._form import Block, Stated, SumClaim, Terms
from tasks.sos.checker._psd import components, elimination, submatrix
from tasks.sos.checker._terms import entry_integers, number_text, polynomial_text
from tasks.sos.checker._values import Row


@dataclass(frozen=True)
class Square:
    """weight * polynomial^2 * multiplier.

    Attributes
    ----------
    weight
        Positive.
    polynomial
        With coprime integer coefficients, the first one positive.
    multiplier
        A constraint; "" stands for 1.
    """

    weight: Fraction
    polynomial: str
    multiplier: str = ""

    def __str__(self) -> str:
        factor = "" if self.weight == 1 else f"{number_text(self.weight)}*"
        last = f"*({self.multiplier})" if self.multiplier else ""
        return f"{factor}({self.polynomial})^2{last}"


def block_squares(block: Block, variables: tuple[str, ...]) -> Iterator[Square]:
    """The squares of g z'Qz by elimination; as many as the rank of Q.

    Raises
    ------
    ValueError
        If Q is not positive semidefinite.
    """
    multiplier = polynomial_text(block.multiplier, variables) if block.multiplier else ""
    for weight, terms in _weighted(block):
        yield Square(weight, polynomial_text(terms, variables), multiplier)


def _weighted(block: Block) -> Iterator[tuple[Fraction, dict[Row, int]]]:
    scale, entries = entry_integers(block.entries)
    # Large monomials first, so that elimination leaves the small ones for the last squares.
    for part in components(entries):
        rows = elimination(submatrix(entries, part))
        if rows is None:
            raise ValueError("the Gram matrix is not positive semidefinite")
        for k, divisor, row in rows:
            content = gcd(*row)  # row[0] > 0 is the pivot
            terms = {block.basis[i]: a // content for i, a in zip(part[k:], row, strict=True) if a}
            yield Fraction(content * content, divisor * scale), terms


def written_out(stated: Stated) -> tuple[list[Square], list[str]]:
    """All squares, and the products ``(h)*(q)`` of the equalities.

    O(m^3) operations on integers whose length grows with m: for reading, not for large blocks.
    """
    claim = stated.content
    if not isinstance(claim, SumClaim):
        return [], []
    squares = [s for block in claim.blocks for s in block_squares(block, stated.variables)]

    def text(terms: Terms) -> str:
        return f"({polynomial_text(terms, stated.variables)})"

    return squares, [f"{text(h)}*{text(q)}" for h, q in claim.equalities if h and q]
