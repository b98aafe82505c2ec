"""Monomials that can occur in squares, part of the checker.

If p = sum_k q_k^2 then every monomial x^b of every q_k has 2b in the Newton polytope of p
(Reznick).  Whatever the integer vector w, ``2 w.b <= max over a in supp p of w.a`` is thus
necessary; listed vectors are only a choice, the right hand side is computed here.  Always in force
are w = +-(1, ..., 1) and w = +-e_i.

If, moreover, 2b is not in supp p and is the sum of two elements of the basis only as b + b, then
the coefficient of x^(2b) in p is the sum of the squares of the coefficients of x^b in the q_k, so
that these vanish and b can be removed.

References
----------
B. Reznick, Extremal psd forms with few terms (1978), Theorem 1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import mul

from tasks.sos.checker._values import Row

MAX_NODES = 1_000_000


class TooLargeError(Exception):
    """The search was given up: nothing is known."""


def candidate_basis(support: Collection[Row], normals: Sequence[Row]) -> list[Row]:
    """All integer b >= 0 with 2 w.b <= max w.a for the given and the standard w.

    Depth-first over the nonzero entries of b, from the first variable to the last; a node is left
    as soon as one inequality cannot hold any more.

    Raises
    ------
    TooLargeError
        After `MAX_NODES` nodes.
    """
    if not support:
        return []
    search = _Search.of(support, normals)
    return sorted(search.leaves(), reverse=True)


@dataclass(frozen=True)
class _Search:
    """Inequalities w.b <= c and what later variables can contribute to their left sides.

    Attributes
    ----------
    tops
        Largest value of every b_i.
    degree
        Largest sum of b.
    columns
        For every variable its coefficient in every w.
    bounds
        Every c.
    boxed, cheapest
        For every variable j and inequality: the sum of min(0, w_i tops_i) over i >= j, and the
        least of 0 and those w_i.  No choice of b_j, b_(j+1), ... of sum r contributes less than
        the larger one of boxed_j and r cheapest_j.
    """

    tops: list[int]
    degree: int
    columns: list[list[int]]
    bounds: list[int]
    boxed: list[list[int]]
    cheapest: list[list[int]]

    @classmethod
    def of(cls, support: Collection[Row], normals: Sequence[Row]) -> _Search:
        n = len(next(iter(support)))
        units = [tuple(-int(i == j) for j in range(n)) for i in range(n)]
        all_normals = list(dict.fromkeys([*normals, (-1,) * n, *units]))
        # w.b is an integer, hence at most the integer part of max w.a / 2.
        bounds = [max(sum(map(mul, w, a)) for a in support) // 2 for w in all_normals]
        tops = [max(a[i] for a in support) // 2 for i in range(n)]
        columns = [[w[j] for w in all_normals] for j in range(n)]
        zero = [0] * len(all_normals)
        boxed, cheapest = [zero], [zero]
        for top, column in zip(reversed(tops), reversed(columns), strict=True):
            boxed.append([s + min(0, w * top) for s, w in zip(boxed[-1], column, strict=True)])
            cheapest.append([min(s, w) for s, w in zip(cheapest[-1], column, strict=True)])
        degree = max(map(sum, support)) // 2
        return cls(tops, degree, columns, bounds, boxed[::-1], cheapest[::-1])

    def leaves(self) -> Iterator[Row]:
        """The points, each once."""
        n = len(self.tops)
        waiting = [((0,) * n, 0, self.degree, self.bounds)]
        nodes = 0
        while waiting:
            b, start, rest, slacks = waiting.pop()
            violated = [k for k, slack in enumerate(slacks) if slack < 0]
            if not violated:
                yield b
            for j in range(start, n):
                nodes += 1
                if any(slacks[k] < self._least(k, j, rest) for k in violated):
                    break
                # One variable alone may have a thousand million children.
                waiting += islice(self._children(b, j, rest, slacks), MAX_NODES)
                if nodes + len(waiting) > MAX_NODES:
                    raise TooLargeError(f"more than {MAX_NODES} nodes")

    def _least(self, k: int, j: int, rest: int) -> int:
        """Lower bound of what b_j, b_(j+1), ... of sum at most `rest` add to inequality k."""
        return max(self.boxed[j][k], rest * self.cheapest[j][k])

    def _children(
        self, b: Row, j: int, rest: int, slacks: list[int]
    ) -> Iterator[tuple[Row, int, int, list[int]]]:
        """The nodes with b_j = 1, 2, ... that are not left at once."""
        column = self.columns[j]
        grown = [k for k, w in enumerate(column) if w > 0]
        for value in range(1, min(self.tops[j], rest) + 1):
            rest -= 1
            slacks = [s - w for s, w in zip(slacks, column, strict=True)]
            if any(slacks[k] < self._least(k, j + 1, rest) for k in grown):
                return
            yield (*b[:j], value, *b[j + 1 :]), j + 1, rest, slacks


def wrong_removal(
    basis: set[Row], removed: Sequence[Row], support: Collection[Row]
) -> tuple[Row, str] | None:
    """Remove monomials one by one, in place; the first that must stay, and why."""
    for b in removed:
        double = tuple(2 * e for e in b)
        if b not in basis:
            return b, "it is not in the basis"
        if double in support:
            return b, "its square is a monomial of the polynomial"
        for other in basis:
            partner = tuple(d - e for d, e in zip(double, other, strict=True))
            if other != b and partner in basis:
                return b, "its square is the product of two others"
        basis.remove(b)
    return None
