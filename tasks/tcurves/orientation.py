"""Complex orientations of T-curves of type I, exactly, and Rokhlin's formulas.

A curve of type I divides the complex curve into two halves, and either half orients the real curve
as its boundary, a *complex orientation*; the other half gives the opposite one.

In the notation of `tasks.tcurves.twists`, a half of CC takes one of the two halves of each pair of
pants.  With h_t = 0 if Log keeps the orientation of the half taken in triangle t and h_t = 1 if it
reverses it, equal halves join at untwisted edges, so

    h_t + h_t' = tau(e)    for the triangles t, t' at each interior edge e,

which is solvable exactly for type I.  Log maps the half of t to the amoeba of a line and the real
curve to the boundary of the amoeba.  Hence, where t in quadrant e has one vertex v with a sign
different from the other two, the curve has v on its right in the unreflected picture if h_t = 0,
and on its left if h_t = 1.  Reflection to the quadrant changes sides if e1 + e2 is odd.

The *index* of a point of RP^2 minus the curve is the function on the double cover S^2 that grows by
1 across the lifted curve from right to left and is odd under the antipodal map: an integer for d
even, half an odd integer for d odd.  Only its absolute value descends to RP^2.  That the jumps of
all triangles are consistent is checked; it proves that the orientation is one of the whole curve.

Two ovals, one inside the other, form a *positive* pair if the orientation of the annulus between
them induces both orientations, else a negative one; Pi+ and Pi- count them.  For d odd an oval C is
*positive* if [C] = -2 [J] in the homology of the Moebius strip around it, else negative; L+ and L-
count them.  With l ovals,

    2 (Pi+ - Pi-) = l - k^2                       d = 2k    (Rokhlin),
    L+ - L- + 2 (Pi+ - Pi-) = l - k (k + 1)       d = 2k+1  (Rokhlin-Mishachev).

Orientations are compared along a chain of regions: an oval has rotation +1 if the index grows by 1
from its outside to its inside on the lift of the chain that starts at the root (d odd: at the root
with index +1/2), else -1.  A pair is positive if its rotations differ; an oval of a curve of odd
degree is positive if its rotation is -1.

References
----------
V. Rokhlin, Complex topological characteristics of real algebraic curves (1978); O. Viro, Progress
in the topology of real algebraic varieties over the last six years (1986), Section 2, and Some
integral calculus based on Euler characteristic (1988), Section 4, for the index; B. Haas, Real
algebraic curves and combinatorial constructions (1997).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.lattice import Triangulation
from tasks.records import InputError
from tasks.tcurves._index import doubled_index, jumps_of_index, lift_regions
from tasks.tcurves.isotopy import region_tree, regions
from tasks.tcurves.patchwork import patchwork
from tasks.tcurves.signs import as_signs
from tasks.tcurves.twists import edge_twists


@dataclass(frozen=True)
class ComplexOrientation:
    """The ovals of a curve of type I with their rotations.

    Ovals are numbered so that an oval comes after those around it.
    """

    degree: int
    parents: tuple[int, ...]
    """For each oval the one directly around it, or -1."""
    rotations: tuple[int, ...]
    """+1 or -1 for each oval, see the module; of the outermost ovals only for d odd meaningful."""
    doubled_indices: tuple[int, ...]
    """Twice the absolute value of the index: of the root, then of the inside of each oval."""

    @cached_property
    def pairs(self) -> tuple[int, int]:
        """(Pi+, Pi-): numbers of positive and of negative pairs of nested ovals."""
        signs = [
            self.rotations[oval] != self.rotations[outer]
            for oval in range(len(self.parents))
            for outer in self.around(oval)
        ]
        return sum(signs), len(signs) - sum(signs)

    @cached_property
    def ovals(self) -> tuple[int, int]:
        """(L+, L-): numbers of positive and negative ovals, for d odd.

        Raises
        ------
        InputError
            If d is even: there ovals have no signs of their own.
        """
        if self.degree % 2 == 0:
            raise InputError(f"degree {self.degree} is even: only pairs of ovals have a sign")
        negative = self.rotations.count(1)
        return len(self.rotations) - negative, negative

    def around(self, oval: int) -> list[int]:
        """List the ovals around an oval, from the inside out."""
        found = []
        while (oval := self.parents[oval]) >= 0:
            found.append(oval)
        return found


def halves(triangulation: Triangulation, signs: int | ArrayLike) -> NDArray[np.int64] | None:
    """Compute h: int64 (d^2,) of 0 and 1 with h = 0 at triangle 0, or None for type II.

    O(d^2); decides the type without the component matrix.
    """
    adjacent: list[list[tuple[int, int]]] = [[] for _ in triangulation.triangles]
    twists = edge_twists(triangulation, signs).tolist()
    number = {tuple(triangle): i for i, triangle in enumerate(triangulation.triangles.tolist())}
    for (a, b, c, f), twist in zip(triangulation.interior_edges.tolist(), twists, strict=True):
        t, u = number[tuple(sorted((a, b, c)))], number[tuple(sorted((a, b, f)))]
        adjacent[t].append((u, twist))
        adjacent[u].append((t, twist))
    half, queue = {0: 0}, [0]
    for t in queue:
        for u, twist in adjacent[t]:
            if u not in half:
                half[u] = half[t] ^ twist
                queue.append(u)
            elif half[u] != half[t] ^ twist:
                return None
    return np.array([half[t] for t in range(len(half))], dtype=np.int64)


def complex_orientation(triangulation: Triangulation, signs: int | ArrayLike) -> ComplexOrientation:
    """Orient a T-curve of type I.

    Parameters
    ----------
    triangulation : Triangulation
        Degree 1..60.
    signs : int or array of 0 and 1, shape (n,)

    Raises
    ------
    InputError
        If the curve is of type II: then it has no complex orientation.
    ArithmeticError
        If the oriented segments do not fit together, which is impossible.
    """
    s = as_signs(triangulation.degree, signs)
    half = halves(triangulation, s)
    if half is None:
        raise InputError("the curve is of type II: only curves of type I have complex orientations")
    complex_ = patchwork(triangulation)
    labels, root = regions(complex_, s)
    order, parents = region_tree(complex_, s, labels, root)
    index = doubled_index(complex_, *jumps_of_index(complex_, s, half))
    lifts = lift_regions(complex_, s, labels, index, (order, parents))
    number = {region: i for i, region in enumerate(order)}
    at = {region: int(index[lifts[region]]) for region in order}
    return ComplexOrientation(
        triangulation.degree,
        tuple(number[parents[region]] - 1 for region in order[1:]),
        tuple((at[region] - at[parents[region]]) // 2 for region in order[1:]),
        tuple(abs(at[region]) for region in order),
    )
