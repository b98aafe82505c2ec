"""Colorings that are made of what searches found, of cells or of polygons, with certificates."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.cells import CellColoring
from tasks.coloring.certificates.distances import Forbidden
from tasks.coloring.certificates.files import read_certificate
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.offsets import conflict_offsets
from tasks.coloring.certificates.polygons import PolygonColoring
from tasks.coloring.certificates.widening import widened, widened_tiles
from tasks.coloring.construction.grids.upsampling import discretise, near_square_shape, upsample
from tasks.coloring.fields import Field
from tasks.coloring.items import MakingWork
from tasks.coloring.problem import Problem, named_norm
from tasks.coloring.verify import refusal
from tasks.records.errors import InputError

if TYPE_CHECKING:
    from tasks.coloring.construction.polygons.polygons_from_grid import PolygonResult

__all__ = ["Made", "allowed_texts", "made_coloring", "num_offsets", "removed_of"]

_OUTLINES = 512
"""Outlines of polygons are those of a grid of about so many cells a side."""

_WELD_GIVEN = 1e-3
"""Tolerance of welding given tiles, as a part of the spacing: gaps of theirs are meant."""

_STEPS_OF_GIVEN, _ROUNDS_OF_GIVEN = 20, 2
"""Steps and rounds at each length of edges of given tiles, which are near their best."""


_WITHOUT_INTERVAL = "distances as asked where a checker refused an interval around them"
_log = logging.getLogger(__name__)

Tiled: TypeAlias = CellColoring | PolygonColoring


@dataclass(frozen=True)
class Made:
    """A coloring, or why it could not be made.

    Attributes
    ----------
    coloring : CellColoring, PolygonColoring or None
        Proper, as its maker found; the checkers have not seen it.
    methods : tuple of str
        What it was made with.
    reason : str
    """

    coloring: Tiled | None
    methods: tuple[str, ...] = ()
    reason: str = ""


def made_coloring(work: MakingWork, field: Field) -> Made:
    """The coloring that a call asks for; what is not possible is its reason."""
    maker: Callable[[MakingWork, Field, Lattice], Made]
    maker = _of_cells if work.form == "cells" else _of_polygons
    try:
        made = maker(work, field, Lattice.from_words(field.lattice))
    except InputError as error:
        return Made(None, reason=str(error))
    if made.coloring is None:
        return made
    return _with_intervals(made, made.coloring, work.problem)


def num_offsets(coloring: CellColoring) -> int:
    """Offsets of cells that can hold a forbidden distance of some color."""
    intervals = {each for own in coloring.forbidden.intervals for each in own}
    found = [
        conflict_offsets(coloring.lattice, coloring.shape, each, coloring.norm)
        for each in sorted(intervals, key=str)
    ]
    return len(np.unique(np.concatenate(found), axis=0))


# --- cells --------------------------------------------------------------------------------------


def _of_cells(work: MakingWork, field: Field, lattice: Lattice) -> Made:
    from tasks.coloring.construction.grids.repair import RepairSettings, repair

    problem, hunt = work.problem, work.hunt
    settings = RepairSettings(
        cells=hunt.cells**hunt.dimension,
        refinements=work.refinements,
        steps=hunt.repair_steps,
        exchanges=hunt.exchanges,
        windows=hunt.windows,
    )
    norm, forbidden = named_norm(problem.norm, problem.dimension), problem.forbidden
    found = repair(
        field.values, lattice, problem.num_colors, forbidden, settings=settings, norm=norm
    )
    searches = {
        "PartialCol": hunt.repair_steps,
        "exchanges": hunt.exchanges,
        "CP-SAT windows": hunt.windows and not found.notes,
    }
    methods = (*(name for name, used in searches.items() if used), *found.notes)
    coloring = CellColoring(found.grid, lattice, problem.num_colors, forbidden, norm)
    return Made(coloring, methods)


# --- polygons -----------------------------------------------------------------------------------


def _of_polygons(work: MakingWork, field: Field, lattice: Lattice) -> Made:
    from tasks.coloring.construction.polygons.cells_from_tiles import full_coloring
    from tasks.coloring.construction.polygons.polygons_from_grid import (
        PolygonSettings,
        polygons_from_grid,
    )
    from tasks.coloring.construction.polygons.wide_intervals import SLIVERS, widest_coloring

    if field.tiles:
        return _of_given_tiles(work, field)
    problem = work.problem
    grid = _outlines(field, lattice, problem.num_colors)
    found: PolygonResult = polygons_from_grid(
        grid,
        lattice,
        problem.num_colors,
        problem.forbidden,
        settings=PolygonSettings(spacings=work.spacings, borders=work.borders),
    )
    methods = ("outlines", _programs(found, work))
    if not found.is_certified or found.removed is None:
        return Made(None, methods, found.reason)
    coloring: Tiled | None = found.coloring
    spacing = work.spacings[-1]
    if 0 < found.removed < SLIVERS:
        full = full_coloring(grid, lattice, problem.num_colors, problem.forbidden, spacing)
        coloring = full or coloring
    own = _own_colors(problem)
    if own and coloring is not None and not removed_of(coloring):
        wider = widest_coloring(grid, lattice, problem.forbidden, own, spacing)
        coloring = wider or coloring
    if isinstance(coloring, CellColoring):
        methods = (*methods, "cells of the polygons")
    return Made(coloring, methods)


def _of_given_tiles(work: MakingWork, field: Field) -> Made:
    """Given tiles, moved as they are: nothing is smoothed, and only what touches is welded."""
    from tasks.coloring.construction.polygons.given_tiles import given_tiles
    from tasks.coloring.construction.polygons.polygons_from_grid import (
        PolygonSettings,
        improve_tiles,
    )

    coloring = read_certificate(field.tiles)
    assert isinstance(coloring, PolygonColoring), "a start by polygons"
    settings = PolygonSettings(
        spacings=work.spacings,
        borders=work.borders,
        first_tensions=(),
        tension=0.0,
        weld=_WELD_GIVEN,
        iterations=_STEPS_OF_GIVEN,
        rounds=_ROUNDS_OF_GIVEN,
        shake=work.hunt.shake,
        seed=work.hunt.first_seed,
    )
    found = improve_tiles(given_tiles(coloring), work.problem.forbidden, settings=settings)
    methods = ("given tiles", _programs(found, work))
    if not found.is_certified:
        return Made(None, methods, found.reason)
    return Made(found.coloring, methods)


def _programs(found: PolygonResult, work: MakingWork) -> str:
    """To which length of edges tiles were moved, and whether shorter ones failed."""
    asked = min((*work.spacings, *work.borders))
    failed = f" ({asked:g} failed)" if found.spacing != asked else ""
    return f"quadratic programs to a spacing of {found.spacing:g}{failed}"


def _outlines(field: Field, lattice: Lattice, num_colors: int) -> NDArray[np.uint8]:
    """The grid whose outlines become polygons."""
    if field.is_grid:
        return field.values.astype(np.uint8, copy=False)
    shape = near_square_shape(lattice, _OUTLINES**2)
    finer = [max(m, s) for m, s in zip(shape, field.values.shape[1:], strict=True)]
    return discretise(upsample(field.values, finer), num_colors)


# --- intervals ----------------------------------------------------------------------------------


def _with_intervals(made: Made, coloring: Tiled, problem: Problem) -> Made:
    """The coloring with the intervals around its own distances, if both checkers accept them.

    Otherwise it forbids what was asked for: wide intervals can be more than a checker takes on.
    """
    try:
        wider = _widened(coloring, problem)
        reason = "" if wider.forbidden == problem.forbidden else refusal(wider, problem)
    except InputError as error:
        wider, reason = coloring, str(error)
    if not reason:
        return Made(wider, made.methods)
    _log.warning("%s: no interval is stated, %s", problem.key, reason)
    return Made(replace(coloring, forbidden=problem.forbidden), (*made.methods, _WITHOUT_INTERVAL))


def _widened(coloring: Tiled, problem: Problem) -> Tiled:
    """The coloring with all distances around its own forbidden that its colors leave out.

    Only of colors that do not forbid 1, which are the ones whose distances are asked about.
    """
    used = _used(coloring)
    for color in _own_colors(problem):
        if color not in used:
            continue
        if isinstance(coloring, CellColoring):
            coloring = widened(coloring, color)
        else:
            coloring = widened_tiles(coloring, color)
    return coloring


def _own_colors(problem: Problem) -> list[int]:
    """Colors that forbid one distance or interval of their own."""
    return [
        color
        for color, text in enumerate(problem.distances)
        if text != "1" and len(problem.forbidden[color]) == 1
    ]


def _used(coloring: Tiled) -> set[int]:
    if isinstance(coloring, CellColoring):
        return set(np.unique(coloring.grid).tolist())
    return {tile.color for tile in coloring.tiles if tile.color is not None}


def allowed_texts(forbidden: Forbidden) -> list[str]:
    """What each color forbids, as `parse_distances` reads it."""
    return [",".join(map(str, intervals)) for intervals in forbidden.intervals]


def removed_of(coloring: Tiled) -> Fraction:
    """The removed fraction, exactly."""
    removed = coloring.removed
    if isinstance(removed, Fraction):
        return removed
    assert removed.b == 0, "coordinates of found polygons are rational"
    return removed.a
