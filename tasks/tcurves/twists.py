"""Twisted edges of a T-curve: its number of components and its dividing type by F2-linear algebra.

Let e = ab be an interior edge of T with opposite vertices c, f.  In the two quadrants where a and b
have different signs, the T-curve runs along e; e is *twisted* if there c and f have different
signs, so that the curve changes from the side of a to that of b.  With signs s and points mod 2,

    tau(e) = s_c + s_f                   if c = f mod 2,
    tau(e) = s_a + s_b + s_c + s_f + 1   otherwise (then c + f = a + b mod 2).

The complex curve CC is glued from a pair of pants for each triangle and a cylinder for each
interior edge.  Complex conjugation cuts each pair of pants into two halves, and the cylinder of e
joins equal halves (those on which Log keeps, or reverses, the orientation) exactly if e is not
twisted.  Let beta_i be a lift to CC of the cycle of triangles around the interior point i,
i = 1..g with g = (d-1)(d-2)/2.  The *component matrix* A(s), symmetric over F2, is the intersection
form beta_i . conj(beta_j):

    A_ij = tau(ij) for adjacent i, j,     A_ii = sum of tau(e) over all edges e at i.

* The real curve has g + 1 - rank A(s) components (it is Galois maximal, having real points).
* It is of *type I* (dividing: CC minus the real curve is disconnected) exactly if every cycle of
  triangles crosses an even number of twisted edges, that is A_ii = 0 for all i (Haas); otherwise it
  is of *type II*.

A is affine in s, so the signs of curves of type I, and those of M-curves (A = 0), are affine
subspaces.  Both contain the Harnack signs, and the first has dimension at least n - g = 3d.

For a regular T this is the type of every algebraic curve that Viro's theorem gives; for an
irregular one it is the type of the glued surface, and no algebraic curve is claimed.

References
----------
B. Haas, Real algebraic curves and combinatorial constructions (1997); B. Bertrand, E. Brugalle,
A. Renaudineau, Haas' theorem revisited, arXiv 1609.01979; A. Renaudineau, K. Shaw, Bounding the
Betti numbers of real hypersurfaces near the tropical limit (2023).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.lattice import Triangulation, lattice_points, num_points
from tasks.records import InputError
from tasks.tcurves.restrictions import harnack_bound
from tasks.tcurves.signs import as_signs, gauge_points


class DividingType(StrEnum):
    """Whether the real points divide the complex ones."""

    I = "I"
    II = "II"

    @property
    def explanation(self) -> str:
        """One sentence."""
        return _EXPLANATIONS[self]


_EXPLANATIONS = {
    DividingType.I: "type I: the real curve divides the complex curve into two halves",
    DividingType.II: "type II: the complex curve stays connected without its real points",
}


def interior_points(degree: int) -> tuple[int, ...]:
    """List the g interior points of d*Delta_2, ascending."""
    x, y = lattice_points(degree).T
    return tuple(np.flatnonzero((x > 0) & (y > 0) & (x + y < degree)).tolist())


def edge_twists(triangulation: Triangulation, signs: int | ArrayLike) -> NDArray[np.int64]:
    """Compute tau: int64 (3d(d-1)/2,) of 0 and 1 in the order of `interior_edges`."""
    s = as_signs(triangulation.degree, signs)
    a, b, c, f = triangulation.interior_edges.T
    return s[c] ^ s[f] ^ np.where(_is_even(triangulation), 0, s[a] ^ s[b] ^ 1)


def _is_even(triangulation: Triangulation) -> NDArray[np.bool_]:
    """Mark the interior edges whose opposite vertices agree mod 2."""
    _, _, c, f = triangulation.interior_edges.T
    points = triangulation.points
    return ((points[c] - points[f]) % 2 == 0).all(axis=1)


def component_matrix(triangulation: Triangulation, signs: int | ArrayLike) -> tuple[int, ...]:
    """Compute A(s): g rows as words, bit j of row i is A_ij; points as in `interior_points`."""
    number = {p: i for i, p in enumerate(interior_points(triangulation.degree))}
    rows = [0] * len(number)
    twists = edge_twists(triangulation, signs).tolist()
    for (a, b, _, _), twist in zip(triangulation.interior_edges.tolist(), twists, strict=True):
        i, j = number.get(a), number.get(b)
        if i is not None:
            rows[i] ^= twist << i
        if j is not None:
            rows[j] ^= twist << j
        if i is not None and j is not None:
            rows[i] ^= twist << j
            rows[j] ^= twist << i
    return tuple(rows)


def rank_over_f2(rows: Iterable[int]) -> int:
    """Compute the rank of a matrix over F2 with its rows as words."""
    return len(_echelon(rows))


def _echelon(rows: Iterable[int]) -> list[int]:
    """Reduce rows to independent ones, each with a leading bit that no other row has."""
    basis: list[int] = []
    for row in rows:
        for other in basis:
            row = min(row, row ^ other)
        if row:
            basis = [min(other, other ^ row) for other in basis]
            basis.append(row)
    return basis


def num_components_by_rank(triangulation: Triangulation, signs: int | ArrayLike) -> int:
    """Count the components, J included, as g + 1 - rank A(s); O(g^2) word operations.

    To search batches up to degree 9 see `gpu.component_search`.
    """
    rank = rank_over_f2(component_matrix(triangulation, signs))
    return harnack_bound(triangulation.degree) - rank


def dividing_type(triangulation: Triangulation, signs: int | ArrayLike) -> DividingType:
    """Decide the type: I exactly if the diagonal of A(s) vanishes; O(d^2)."""
    rows = component_matrix(triangulation, signs)
    is_dividing = not any(row >> i & 1 for i, row in enumerate(rows))
    return DividingType.I if is_dividing else DividingType.II


@dataclass(frozen=True)
class SignSpace:
    """An affine subspace of canonical sign vectors, as words: one for each sign class in it."""

    origin: int
    basis: tuple[int, ...]

    @property
    def dimension(self) -> int:
        """The space has 2^dimension sign classes."""
        return len(self.basis)

    def element(self, index: int) -> int:
        """Return origin plus the basis vectors that the bits of `index` select.

        Raises
        ------
        InputError
            If the index is not in 0..2^dimension - 1.
        """
        if not 0 <= index < 1 << self.dimension:
            raise InputError(f"index {index} is not allowed: give 0 to 2^{self.dimension} - 1")
        word = self.origin
        for i, vector in enumerate(self.basis):
            word ^= vector if index >> i & 1 else 0
        return word

    def random(self, rng: np.random.Generator) -> int:
        """Draw an element uniformly."""
        bits = rng.integers(0, 2, size=self.dimension).tolist()
        return self.element(sum(bit << i for i, bit in enumerate(bits)))


def dividing_signs(triangulation: Triangulation) -> SignSpace:
    """Describe all sign classes of type I; the dimension is at least 3(d-1)."""
    return _solve(triangulation.degree, _diagonal(triangulation))


def maximal_signs(triangulation: Triangulation) -> SignSpace:
    """Describe all sign classes of M-curves: A(s) = 0."""
    inside = set(interior_points(triangulation.degree))
    edges = zip(triangulation.interior_edges.tolist(), _forms(triangulation), strict=True)
    joining = [form for edge, form in edges if inside.issuperset(edge[:2])]
    return _solve(triangulation.degree, [*joining, *_diagonal(triangulation)])


def _forms(triangulation: Triangulation) -> list[int]:
    """Write tau of each interior edge as a word: bit p + 1 for s_p, bit 0 for the 1."""
    edges = (2 << triangulation.interior_edges.astype(object)).tolist()
    return [
        c | f if even else a | b | c | f | 1
        for (a, b, c, f), even in zip(edges, _is_even(triangulation).tolist(), strict=True)
    ]


def _diagonal(triangulation: Triangulation) -> list[int]:
    """Write the A_ii as words."""
    sums = dict.fromkeys(interior_points(triangulation.degree), 0)
    edges = triangulation.interior_edges.tolist()
    for (a, b, _, _), form in zip(edges, _forms(triangulation), strict=True):
        for end in {a, b} & sums.keys():
            sums[end] ^= form
    return list(sums.values())


def _solve(degree: int, forms: Iterable[int]) -> SignSpace:
    """Solve form(s) = 0 for canonical s.

    Raises
    ------
    ArithmeticError
        If there is no solution; for both callers the Harnack signs are one.
    """
    rows = _echelon([*forms, *(2 << p for p in gauge_points(degree))])
    pivots = {row.bit_length() - 2: row for row in rows}
    if -1 in pivots:
        raise ArithmeticError("contradictory equations, though the Harnack signs solve them")
    free = [p for p in range(num_points(degree)) if p not in pivots]
    origin = sum(1 << p for p, row in pivots.items() if row & 1)
    basis = [1 << q | sum(1 << p for p, row in pivots.items() if row >> (q + 1) & 1) for q in free]
    return SignSpace(origin, tuple(basis))
