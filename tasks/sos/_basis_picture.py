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
    removed
        Doubled points of half the Newton polytope that go by diagonal consistency.
    spare
        Doubled points of half the Newton polytope that the basis does without.
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
    def dimension(self) -> int:
        """2 or 3."""
        return self.support.shape[1]

    @property
    def all_points(self) -> tuple[Points, ...]:
        """Everything that must fit into the picture."""
        return (self.support, *self.chosen, self.removed, self.spare)


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
    basis = _basis(p, rule, half, consistent.basis)
    blocks = [basis[block] for block in sign_symmetry_blocks(basis, p.exponents)]
    is_form = p.num_variables == 3 and p.is_homogeneous
    place = _in_triangle if is_form else _as_they_are
    return BasisPicture(
        frame=_around(place(p.exponents[newton_vertices(p.exponents)])),
        support=place(p.exponents),
        chosen=tuple(place(2 * block) for block in blocks),
        monomials=tuple(blocks),
        removed=place(2 * _without(consistent.removed, basis)),
        spare=place(2 * _without(_without(half, basis), consistent.removed)),
        lattice=place(_even_points(p, is_form=is_form)),
        is_form=is_form,
    )


def _basis(p: Polynomial, rule: str, half: Rows, consistent: Rows) -> Rows:
    """The basis of a rule, as `certify` makes it."""
    if rule == "full":
        return full_basis(p.num_variables, p.degree // 2)
    if rule == "newton":
        return consistent
    return complete_repair(even_sqrt_basis(p.exponents), p.exponents, half)


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


def _even_points(p: Polynomial, *, is_form: bool) -> Rows:
    """All even exponents that a term of this degree may have."""
    points = 2 * full_basis(p.num_variables, p.degree // 2)
    return points[points.sum(axis=1) == p.degree] if is_form else points


def _around(vertices: Points) -> Points:
    """Vertices of a polygon in the order of their angles; solids are left as they are."""
    if vertices.shape[1] == 3 or len(vertices) < 3:
        return vertices
    x, y = (vertices - vertices.mean(axis=0)).T
    return vertices[np.argsort(np.arctan2(y, x))]


@dataclass(frozen=True)
class Solid:
    """A polytope in space, flat ones included: polygons, and the edges between them."""

    faces: tuple[Points, ...]
    edges: tuple[Points, ...]


def solid(vertices: Points) -> Solid:
    """Faces and edges of the hull of points in space; a segment has one edge and no face."""
    from scipy.spatial import ConvexHull

    shifted = vertices - vertices.mean(axis=0)
    rank = int(np.linalg.matrix_rank(shifted, tol=1e-9)) if len(vertices) > 1 else 0
    if rank < 3:
        return _flat(vertices, shifted, rank)
    hull = ConvexHull(vertices)
    planes = np.round(hull.equations, 9)
    groups: dict[tuple[float, ...], set[int]] = {}
    for plane, simplex in zip(planes.tolist(), hull.simplices.tolist(), strict=True):
        groups.setdefault(tuple(plane), set()).update(simplex)
    faces = [
        _ring(vertices[sorted(members)], np.array(plane[:3])) for plane, members in groups.items()
    ]
    edges = {
        tuple(sorted((tuple(a), tuple(b))))
        for face in faces
        for a, b in zip(face.tolist(), np.roll(face, -1, axis=0).tolist(), strict=True)
    }
    return Solid(tuple(faces), tuple(np.array(edge) for edge in sorted(edges)))


def _flat(vertices: Points, shifted: Points, rank: int) -> Solid:
    """A polygon, a segment or a point in space."""
    if rank < 2:
        order = np.lexsort(vertices.T)
        return Solid((), (vertices[order[[0, -1]]],))
    face = _ring(vertices, np.linalg.svd(shifted)[2][2])
    pairs = zip(face, np.roll(face, -1, axis=0), strict=True)
    return Solid((face,), tuple(np.array(pair) for pair in pairs))


def _ring(points: Points, normal: Points) -> Points:
    """Points of a convex polygon in space in the order around it."""
    axis = np.eye(3)[np.argmin(np.abs(normal))]
    u = np.cross(normal, axis)
    v = np.cross(normal, u)
    x, y = ((points - points.mean(axis=0)) @ np.column_stack([u, v])).T
    return points[np.argsort(np.arctan2(y, x))]


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
