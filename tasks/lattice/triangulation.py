"""Unimodular triangulations of d·Δ₂.

A unimodular triangulation T of d·Δ₂ has d² triangles of area 1/2, 3d(d+1)/2 edges (3d of them on
the boundary), and uses every point of A_d. Points are their indices in `lattice_points(d)`.
Weights are an optional integer height per point; T is regular if it is the lower hull of some
heights (see `tasks.lattice.regularity`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tasks.lattice._validation import check_triangles
from tasks.lattice._weights import integer_weights
from tasks.lattice.points import check_degree, lattice_points, num_points


@dataclass(frozen=True, eq=False)
class Triangulation:
    """A unimodular triangulation of d·Δ₂; make one with `Triangulation.of`, which validates.

    Two triangulations are equal if degree, triangles and weights are; the name is only a label.

    Attributes
    ----------
    name
        Label used in tables and file names.
    degree
        d, from 1 to 60.
    triangles
        (d², 3) int32 point indices, each row ascending, rows in lexicographic order, read-only.
    weights
        n integers, or None. They are not known to induce the triangulation: ask
        `tasks.lattice.certify_regularity`.
    """

    name: str
    degree: int
    triangles: NDArray[np.int32]
    weights: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        rows = np.sort(np.array(self.triangles, dtype=np.int32), axis=1)
        object.__setattr__(self, "triangles", _read_only(rows[np.lexsort(rows.T[::-1])]))

    @classmethod
    def of(
        cls,
        degree: int,
        triangles: Sequence[Sequence[int]] | NDArray[np.integer],
        *,
        weights: Sequence[Any] | NDArray[Any] | None = None,
        name: str = "",
    ) -> Self:
        """Validate and build.

        Parameters
        ----------
        degree
            1..60.
        triangles
            d² triples of point indices, in any order.
        weights
            n heights: integers, integral floats, Fractions or strings such as "3/2"; rational
            ones are multiplied by their common denominator, which keeps the lower hull.
        name
            Label; default "<degree>_<first 8 hex digits of the content hash>".

        Raises
        ------
        InvalidTriangulation
            With one line naming the offending triangle, point or weight. Since d² triangles of
            area 1/2 fill d·Δ₂ exactly when no two overlap, the checks are complete.

        >>> Triangulation.of(1, [[0, 1, 2]], name="unit").num_points
        3
        """
        d = check_degree(degree)
        rows = check_triangles(d, triangles)
        heights = None if weights is None else integer_weights(d, weights)
        made = cls(name, d, rows, heights)
        return made if name else made.with_name(f"{d}_{made.content_hash()[:8]}")

    @property
    def num_points(self) -> int:
        """n = (d+1)(d+2)/2."""
        return num_points(self.degree)

    @property
    def points(self) -> NDArray[np.int64]:
        """(n, 2) lattice points (x, y)."""
        return lattice_points(self.degree)

    @cached_property
    def edges(self) -> NDArray[np.int32]:
        """(3d(d+1)/2, 2) int32 edges (a, b) with a < b, in lexicographic order, read-only."""
        return _read_only(np.unique(_sides(self.triangles)[:, :2], axis=0))

    @cached_property
    def interior_edges(self) -> NDArray[np.int32]:
        """(3d(d-1)/2, 4) int32 rows (a, b, c, f): edge a < b with its opposite vertices c < f.

        Triangles abc and abf lie on the two sides of the edge. Lexicographic order, read-only.
        """
        sides = _sides(self.triangles)
        sides = sides[np.lexsort(sides.T[::-1])]
        inner = np.flatnonzero((sides[1:, :2] == sides[:-1, :2]).all(axis=1))
        return _read_only(np.column_stack([sides[inner], sides[inner + 1, 2]]))

    def content_hash(self) -> str:
        """SHA-256 hex digest over degree, triangles and weights; the name does not enter."""
        digest = sha256(f"triangulation {self.degree}\n".encode())
        digest.update(self.triangles.astype("<i4").tobytes())
        digest.update(repr(self.weights).encode())
        return digest.hexdigest()

    def with_name(self, name: str) -> Self:
        """The same triangulation under another name."""
        return type(self)(name, self.degree, self.triangles, self.weights)

    def with_weights(self, weights: Sequence[Any] | None) -> Self:
        """The same triangles and name with other weights."""
        heights = None if weights is None else integer_weights(self.degree, weights)
        return type(self)(self.name, self.degree, self.triangles, heights)

    @cached_property
    def _key(self) -> tuple[int, bytes, tuple[int, ...] | None]:
        return self.degree, self.triangles.tobytes(), self.weights

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, Triangulation) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key)

    def __reduce__(self) -> tuple[Any, ...]:
        # Rebuilt by the constructor, because arrays come back writable from a pickle.
        return type(self), (self.name, self.degree, self.triangles, self.weights)

    def __repr__(self) -> str:
        weighted = "no weights" if self.weights is None else "weights"
        return f"Triangulation({self.name!r}, degree {self.degree}, {weighted})"


def _read_only(array: NDArray[np.int32]) -> NDArray[np.int32]:
    array.setflags(write=False)
    return array


def _sides(triangles: NDArray[np.int32]) -> NDArray[np.int32]:
    """(3 d², 3) rows (a, b, opposite vertex) for the three sides a < b of each triangle."""
    return np.concatenate([triangles[:, order] for order in ([0, 1, 2], [0, 2, 1], [1, 2, 0])])
