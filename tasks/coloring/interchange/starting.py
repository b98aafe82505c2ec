"""Given colorings that a run starts from: grids, and certificates by cells or by polygons.

What cannot start a run is refused before anything is started, in one line that says what to set.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.cells import CellColoring
from tasks.coloring.certificates.constructions import CONSTRUCTIONS, construction
from tasks.coloring.certificates.distances import Forbidden
from tasks.coloring.certificates.files import read_certificate
from tasks.coloring.certificates.headers import canonical_digest
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.norms import Norm
from tasks.coloring.certificates.polygons import PolygonColoring
from tasks.coloring.certificates.scoring import check_cells
from tasks.coloring.construction.polygons.cells_from_tiles import sampled_tiles
from tasks.coloring.construction.polygons.given_tiles import repeated_tiles
from tasks.coloring.interchange.grids import read_grid
from tasks.coloring.problem import Problem, named_norm
from tasks.records.errors import InputError, shortened

if TYPE_CHECKING:
    from tasks.coloring.config import PlaneColoringConfig

__all__ = ["GivenStart", "read_start"]

_SAMPLES = 512
"""Cells along a side of the grid of a start by polygons."""
_EXAMPLE = {
    2: '[["-0.17","3.88"],["-3.48","1.84"]]',
    3: '[["2.1","0","0"],["0","2.1","0"],["0","0","2.1"]]',
}


@dataclass(frozen=True, eq=False)
class GivenStart:
    """A coloring that a run starts from.

    Attributes
    ----------
    grid : (m_1, ..., m_n) uint8
        Colors below `num_colors`, and 255 for removed cells; of polygons a sample.
    lattice : Lattice
        Exact.
    num_colors : int
    tiles : PolygonColoring or None
        The coloring itself, if it is one by polygons.
    """

    grid: NDArray[np.uint8]
    lattice: Lattice
    num_colors: int
    tiles: PolygonColoring | None = None

    @property
    def is_grid(self) -> bool:
        """Whether the grid is what was given."""
        return self.tiles is None

    def repeated(self, counts: tuple[int, ...]) -> GivenStart:
        """The same coloring with so many copies along each period vector."""
        if self.tiles is not None:
            return _of_tiles(repeated_tiles(self.tiles, counts))
        longer = tuple(
            tuple(count * x for x in vector)
            for count, vector in zip(counts, self.lattice.vectors, strict=True)
        )
        return GivenStart(np.tile(self.grid, counts), Lattice(longer), self.num_colors)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content: files of several forms that hold the same have the same."""
        content: dict[str, Any] = {"lattice": self.lattice.texts(), "num_colors": self.num_colors}
        tiles = self.tiles
        if tiles is None:
            content |= {"surd": self.lattice.surd, "shape": list(self.grid.shape)}
            content["cells"] = sha256(self.grid.tobytes()).hexdigest()
        else:
            content |= {"surd": tiles.surd, "boundary": tiles.boundary}
            content["tiles"] = tiles.record()["polygons"]["sha256"]
        return canonical_digest(content)


def read_start(path: str, config: PlaneColoringConfig) -> GivenStart:
    """Read the coloring that a config names, and check that it fits the config.

    Conflicts are allowed: they are repaired.

    Parameters
    ----------
    path : str
        A grid, see `read_grid`; a certificate by cells or by polygons; or the name of a published
        coloring.
    config : PlaneColoringConfig
        Its lattice is that of a file without one.

    Raises
    ------
    InputError
        If the file cannot be read, or is not of the colors, distances, norm and dimension of the
        config; if it has no lattice and the config neither, or both have one and they differ; if a
        cell holds a forbidden distance itself.
    """
    problem = Problem.of(config.colors, config.distances, config.dimension, config.norm)
    norm = named_norm(problem.norm, problem.dimension)
    try:
        if path in CONSTRUCTIONS:
            start = _of_certificate(construction(path), problem, norm)
        elif Path(path).suffix.lower() == ".json":
            start = _of_certificate(read_certificate(path), problem, norm)
        else:
            given = read_grid(path, num_colors=problem.num_colors)
            _check_dimension(given.grid.ndim, problem.dimension)
            lattice = given.lattice or _lattice_of(config)
            start = GivenStart(given.grid, lattice, problem.num_colors)
        if config.lattice and start.lattice != _lattice_of(config):
            own = shortened(start.lattice.words())
            raise InputError(f"it has the lattice {own} of its own: leave lattice out")
        if config.repeats:
            start = start.repeated(config.repeats)
        if start.is_grid:
            check_cells(start.lattice, start.grid.shape, problem.forbidden, norm)
    except InputError as error:
        said = str(error).removeprefix(f"grid {path}: ").removeprefix(f"{path}: ")
        raise InputError(f"start {path}: {said}") from error
    return start


def _of_certificate(coloring: object, problem: Problem, norm: Norm) -> GivenStart:
    if not isinstance(coloring, CellColoring | PolygonColoring):
        raise InputError("a certificate by Voronoi cells starts nothing: give cells or polygons")
    _check_dimension(coloring.lattice.dimension, problem.dimension)
    given = coloring.forbidden.num_colors
    if given != problem.num_colors:
        raise InputError(f"it has {given} colors, not {problem.num_colors}: set colors={given}")
    _check_distances(coloring.forbidden, problem.forbidden)
    if coloring.norm.record() != norm.record():
        raise InputError(f"its norm is {shortened(coloring.norm.record())}, not {problem.norm}")
    if isinstance(coloring, CellColoring):
        return GivenStart(coloring.grid, coloring.lattice, given)
    return _of_tiles(coloring)


def _of_tiles(coloring: PolygonColoring) -> GivenStart:
    sample = sampled_tiles(coloring, (_SAMPLES, _SAMPLES))
    return GivenStart(sample, coloring.lattice, coloring.forbidden.num_colors, coloring)


def _lattice_of(config: PlaneColoringConfig) -> Lattice:
    if not config.lattice:
        vectors = _EXAMPLE[config.dimension]
        raise InputError(f"the file has no lattice: set its period vectors, lattice='{vectors}'")
    return Lattice.parse([list(row) for row in config.lattice])


def _check_dimension(given: int, wanted: int) -> None:
    if given != wanted:
        raise InputError(f"it is of dimension {given}, not {wanted}: set dimension={given}")


def _check_distances(given: Forbidden, wanted: Forbidden) -> None:
    """Refuse a certificate of other distances: the run would repair it for these, unasked."""
    if given == wanted:
        return
    texts = [",".join(map(str, intervals)) for intervals in given.intervals]
    setting = json.dumps({str(c): text for c, text in enumerate(texts) if text != "1"})
    color = next(c for c, own in enumerate(given.intervals) if own != wanted[c])
    others = ",".join(map(str, wanted[color]))
    raise InputError(
        f"its color {color} forbids {texts[color]}, not {others}: set distances='{setting}', or "
        "start from its grid as .npz"
    )
