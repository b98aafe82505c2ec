"""What a picture of a basis shows, as plain points: no drawing here.

Points are exponents of terms; a monomial x^b of the basis stands at 2b, where its square is. For
a form in three variables the plane |a| = d is drawn, as a triangle with the powers x^d, y^d, z^d
at its corners.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.lattice.polytopes import half_newton_points, newton_vertices
from tasks.records import InputError
from tasks.sos.bases.monomial_bases import (
    complete_repair,
    diagonal_consistency,
    even_sqrt_basis,
    full_basis,
)
from tasks.sos.bases.reductions import sign_symmetry_blocks
from tasks.sos.polynomials.polynomial import Polynomial

Rows = NDArray[np.int32]
Points = NDArray[np.float64]

_TRIANGLE = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.75**0.5]])
"""Corners for z, x, y of an equilateral triangle with side 1."""


@dataclass(frozen=True)
class BasisPicture:
    """Points of a picture, in 2 or 3 dimensions.

    Attributes
    ----------
    frame
        Newton polytope: its vertices, in order around it if they lie in a plane.
    support
        Terms.
    chosen
        Doubled monomials of the basis, one array per block of the Gram matrix.
    monomials
        Their exponents, in the same order.
    removed, spare
        Doubled points of half the Newton polytope that go by diagonal consistency, and those that
        the basis does without.
    lattice
        Even points around, for orientation.
    is_form
        Whether it is the triangle of a form in three variables.
    """

    frame: Points
    support: Points
    chosen: tuple[Points, ...]
    monomials: tuple[Rows, ...]
    removed: Points
    spare: Points
    lattice: Points
    is_form: bool

    @property
    def all_points(self) -> Points:
        """Everything that must fit into the picture."""
        return np.vstack([self.support, *self.chosen, self.removed, self.spare])


def basis_picture(p: Polynomial, rule: str) -> BasisPicture:
    """Lay out the basis of a polynomial in two or three variables.

    Parameters
    ----------
    p : Polynomial
    rule : str
        even-sqrt, newton or full.

    Raises
    ------
    InputError
        For another number of variables, or no terms.
    """
    if p.num_variables not in (2, 3) or p.is_zero:
        raise InputError(
            f"a basis can be drawn in 2 or 3 variables, not {p.num_variables} with {p.num_terms} "
            "terms"
        )
    half = half_newton_points(p.exponents).points
    consistent = diagonal_consistency(half, p.exponents)
    everything = full_basis(p.num_variables, p.degree // 2)
    if rule == "full":
        basis = everything
    elif rule == "newton":
        basis = consistent.basis
    else:
        basis = complete_repair(even_sqrt_basis(p.exponents), p.exponents, half)
    blocks = [basis[block] for block in sign_symmetry_blocks(basis, p.exponents)]
    is_form = p.num_variables == 3 and p.is_homogeneous
    place = _in_triangle if is_form else _as_they_are
    frame = place(p.exponents[newton_vertices(p.exponents)])
    even = 2 * everything
    return BasisPicture(
        frame=around(frame) if frame.shape[1] == 2 else frame,
        support=place(p.exponents),
        chosen=tuple(place(2 * block) for block in blocks),
        monomials=tuple(blocks),
        removed=place(2 * _without(consistent.removed, basis)),
        spare=place(2 * _without(_without(half, basis), consistent.removed)),
        lattice=place(even[even.sum(axis=1) == p.degree] if is_form else even),
        is_form=is_form,
    )


def _without(rows: Rows, others: Rows) -> Rows:
    """The rows that are not among others."""
    known = set(map(tuple, others.tolist()))
    return rows[[tuple(row) not in known for row in rows.tolist()]]


def _as_they_are(rows: Rows) -> Points:
    """Exponents as coordinates."""
    return rows.astype(np.float64)


def _in_triangle(rows: Rows) -> Points:
    """Exponents of a form in x, y, z as points of a triangle with side d."""
    x, y, z = rows.astype(np.float64).T
    return np.column_stack([z, x, y]) @ _TRIANGLE


def around(points: Points) -> Points:
    """The corners of a convex polygon, in the plane or in space, in the order around it."""
    shifted = points - points.mean(axis=0)
    u, v = (shifted @ np.linalg.svd(shifted)[2].T).T[:2]
    return points[np.argsort(np.arctan2(v, u))]


def solid(vertices: Points) -> tuple[list[Points], list[Points]]:
    """Faces and edges of the hull of points in space; a segment has one edge and no face."""
    from scipy.spatial import ConvexHull

    shifted = vertices - vertices.mean(axis=0)
    rank = int(np.linalg.matrix_rank(shifted, tol=1e-9)) if len(vertices) > 1 else 0
    if rank < 2:
        return [], [vertices[np.lexsort(vertices.T)[[0, -1]]]]
    groups: dict[tuple[float, ...], set[int]] = {}
    if rank == 2:
        groups[()] = set(range(len(vertices)))
    else:
        hull = ConvexHull(vertices)
        planes = np.round(hull.equations, 9).tolist()
        for plane, simplex in zip(planes, hull.simplices.tolist(), strict=True):
            groups.setdefault(tuple(plane), set()).update(simplex)
    faces = [around(vertices[sorted(members)]) for members in groups.values()]
    pairs = ((face[k - 1], face[k]) for face in faces for k in range(len(face)))
    edges = {tuple(sorted(map(tuple, np.array(pair).tolist()))) for pair in pairs}
    return faces, [np.array(edge) for edge in sorted(edges)]


def math_monomial(row: Sequence[int], variables: Sequence[str]) -> str:
    """A monomial as mathtext."""
    powers = [
        math_variable(variable) + (f"^{{{e}}}" if e > 1 else "")
        for variable, e in zip(variables, row, strict=True)
        if e
    ]
    return r"\,".join(powers) or "1"


def math_variable(variable: str) -> str:
    """A variable as mathtext: x2 and x_2 with an index, long names upright."""
    stem = variable.rstrip("0123456789")
    index = variable[len(stem) :]
    stem = stem.rstrip("_") if index else stem
    escaped = stem.replace("_", r"\_")
    letter = escaped if len(stem) == 1 and stem != "_" else rf"\mathrm{{{escaped}}}"
    return f"{letter}_{{{index}}}" if index else letter
