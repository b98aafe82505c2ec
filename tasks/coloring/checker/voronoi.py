"""Colorings by the Voronoi cells of a lattice, periodic under a sublattice.

A basis is changed into an obtuse superbase, vectors v_0, ..., v_n with sum 0 and v_i.v_j <= 0 for
i != j (Selling).  For n = 2 and 3 there is one, and the Voronoi cell of 0 is the set of the x with
2 |x.f| <= |f|^2 for all sums f of some of the v_i: at most 3 or 7 pairs of halfspaces.

References
----------
J. H. Conway, N. J. A. Sloane, Low-dimensional lattices VI: Voronoi reduction of three-dimensional
forms (1992).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, combinations
from typing import Any

from tasks.coloring.checker.bodies import Body, polytope
from tasks.coloring.checker.documents import (
    canonical_digest,
    check_integer,
    check_keys,
    check_list,
    check_text,
)
from tasks.coloring.checker.limits import MAX_SUPERBASE_STEPS, MAX_VORONOI_STEPS, Budget
from tasks.coloring.checker.numbers import common_denominator
from tasks.coloring.checker.residues import Residues
from tasks.coloring.checker.searches import Search
from tasks.coloring.checker.spans import counted, percent
from tasks.coloring.checker.statements import Interval, Statement, parse_vectors
from tasks.coloring.checker.vectors import (
    Vector,
    combination,
    determinant,
    dot,
    minus,
    plus,
    scaled_vector,
)
from tasks.coloring.checker.verdicts import RefusedError, Verdict
from tasks.coloring.checker.walks import Offset


@dataclass(frozen=True)
class Cells:
    """Voronoi cells with colors.

    Attributes
    ----------
    basis
        Of the lattice of their centers.
    period
        Coefficients of the period vectors.
    colors
        One per cell; None if its points are removed.
    places
        Coefficients of their centers.
    """

    basis: tuple[Vector, ...]
    period: tuple[Offset, ...]
    colors: tuple[int | None, ...]
    places: tuple[Offset, ...]


def check_voronoi(statement: Statement) -> Verdict:
    """Decide a coloring by Voronoi cells.

    Raises
    ------
    RefusedError
        If its data is not as stated or too large.
    """
    cells = parse_cells(statement)
    residues = Residues.of(cells.period)
    colors: dict[Offset, int | None] = {}
    for place, color in zip(cells.places, cells.colors, strict=True):
        if residues.of_offset(place) in colors:
            reason = f"not a partition: the cell at {place} occurs twice modulo the period"
            return Verdict("invalid", reason, {"form": "voronoi"})
        colors[residues.of_offset(place)] = color
    removed = Fraction(cells.colors.count(None), len(cells.colors))
    if statement.removed != removed:
        raise RefusedError(
            f"removed: {cells.colors.count(None)} of {len(colors)} cells are removed, not the "
            "fraction that is stated"
        )
    search = Search.of(statement, cells.basis, doubled_voronoi_cell(cells.basis))
    fault = _first_fault(statement, colors, residues, search)
    if fault is not None:
        return Verdict("invalid", fault, {"form": "voronoi"})
    return Verdict(
        "valid",
        f"{counted(statement.num_colors)}, {cells.colors.count(None)} of {len(colors)} "
        f"cells removed ({percent(removed)} %), {search.count():,} offsets",
        {
            "form": "voronoi",
            "colors": statement.num_colors,
            "removed": str(removed),
            "cells": len(colors),
            "offsets": search.count(),
        },
    )


def _first_fault(
    statement: Statement, colors: dict[Offset, int | None], residues: Residues, search: Search
) -> str | None:
    budget = Budget(MAX_VORONOI_STEPS, "cells times offsets")
    for interval, forbidding in statement.intervals().items():
        concerned = [(place, color) for place, color in colors.items() if color in forbidding]
        for run in search.runs[interval]:
            for offset in run.offsets():
                budget.spend(len(concerned) + 1)
                step = residues.of_offset(offset)
                for place, color in concerned:
                    other = residues.of_offset(plus(place, step))
                    if colors[other] == color:
                        return _conflict(color, place, other, offset, search, interval)
    return None


def _conflict(
    color: int | None,
    place: Offset,
    other: Offset,
    offset: Offset,
    search: Search,
    interval: Interval,
) -> str:
    return f"color {color}: cells {place} and {other}, offset {offset}: " + search.span_text(
        offset, interval
    )


# --- the cell -----------------------------------------------------------------------------------


def superbase(basis: Sequence[Vector]) -> list[Vector]:
    """An obtuse superbase of the lattice of a basis.

    Where v_i.v_j > 0, v_i is reversed, and added to the others but v_j, one of them: the sum of
    all |v|^2 falls.  In the plane the third vector is v_i - v_j; in space two others take v_i each.

    Raises
    ------
    RefusedError
        After 1000 steps.
    """
    vectors = [*basis, minus((0,) * len(basis), combination((1,) * len(basis), basis))]
    for _ in range(MAX_SUPERBASE_STEPS):
        wrong = next(
            (
                (i, j)
                for i, j in combinations(range(len(vectors)), 2)
                if dot(vectors[i], vectors[j]) > 0
            ),
            None,
        )
        if wrong is None:
            return vectors
        i, j = wrong
        moved = vectors[i]
        others = [k for k in range(len(vectors)) if k not in wrong]
        if len(basis) == 2:
            vectors[others[0]] = minus(moved, vectors[j])
        else:
            for k in others:
                vectors[k] = plus(vectors[k], moved)
        vectors[i] = minus((0,) * len(basis), moved)
    raise RefusedError("too much work: the basis is far from reduced; choose shorter vectors")


def doubled_voronoi_cell(basis: Sequence[Vector]) -> Body:
    """Twice the Voronoi cell of 0: the differences of the points of one cell."""
    scale = common_denominator(chain.from_iterable(basis))
    vectors = superbase([scaled_vector(v, scale) for v in basis])
    halfspaces = []
    for size in range(1, len(vectors)):
        for chosen in combinations(vectors, size):
            f = combination((1,) * size, chosen)
            halfspaces.append((f, dot(f, f)))
    return polytope(halfspaces, scale)


# --- reading ------------------------------------------------------------------------------------


def parse_cells(statement: Statement) -> Cells:
    """The cells as they are stated.

    Raises
    ------
    RefusedError
        If the lattice is not that of the period, the tiles are not as many as its index, have
        another digest, or are ill-typed.
    """
    n = statement.dimension
    content = check_keys(statement.content, ("basis", "period", "tiles", "sha256"), "voronoi")
    basis = parse_vectors(content["basis"], statement.surd, "voronoi, basis")
    if len(basis) != n:
        raise RefusedError(f"voronoi: a basis of {len(basis)} vectors, a lattice of {n}")
    period = tuple(
        _offset(row, n, "voronoi, period") for row in check_list(content["period"], "period", n)
    )
    for row, vector in zip(period, statement.lattice, strict=True):
        if combination(row, basis) != vector:
            raise RefusedError("voronoi: the lattice is not the period times the basis")
    rows = check_list(content["tiles"], "voronoi, tiles")
    if len(rows) != abs(determinant(period)):
        raise RefusedError(
            f"voronoi: {len(rows):,} tiles; the index of the period is another number"
        )
    pairs = [check_list(row, "voronoi, tiles", 2) for row in rows]
    if canonical_digest(rows) != check_text(content["sha256"], "voronoi, sha256"):
        raise RefusedError("voronoi: the SHA-256 of the tiles is not the one that is stated")
    return Cells(
        basis,
        period,
        tuple(_color(color, statement) for color, _ in pairs),
        tuple(_offset(place, n, "voronoi, tiles") for _, place in pairs),
    )


def _color(value: Any, statement: Statement) -> int | None:
    if value is None:
        return None
    return check_integer(value, 0, statement.num_colors - 1, "voronoi, tiles: color")


def _offset(value: Any, n: int, what: str) -> Offset:
    return tuple(check_integer(x, None, None, what) for x in check_list(value, what, n))
