"""Sweeps for schemes with many ovals: components are counted before regions are looked for.

A curve with k ovals has k components, J not included, and components are counted by a rank over F2
(`gpu.component_search`), several times faster than a scheme is evaluated; a bound on the rank and
the rows that sign vectors share make it up to hundreds of times faster.  What is left is evaluated.

It does not always pay: a plain sweep of a range shares work between its sign vectors that the
evaluation of scattered ones does not.  Whether it does is told from a sample.  Measured on one core
on seven triangulations of degrees 6 to 9, as speed relative to the plain kernel, by the share of
sign vectors left:

    share left           < 1e-4   1e-3       0.01      0.03-0.15  0.3      0.5      0.9
    random sign vectors  5-66     3.5-16     6-13      2-6        1.1-2    1.1-1.7  0.8-1.2
    range                200-420  50-240     19-50     1.9-7.4    0.5-0.8  0.4-0.7  0.25-0.55

Both paths find the same schemes, counts and first witnesses.  On a GPU it is not measured and not
used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpu.component_search import has_components, search
from tasks.lattice import Triangulation
from tasks.tcurves.patchwork import octant_grid

LARGEST_SHARE_OF_BATCH = 0.4
LARGEST_SHARE_OF_RANGE = 0.125
"""Shares of sign vectors left up to which counting first was faster on every triangulation."""
SAMPLE = 2048
"""Sign vectors that the share is estimated from: a fraction of a millisecond."""


@dataclass(frozen=True)
class Prefilter:
    """Sign vectors of one triangulation that give at least so many ovals."""

    triangulation: Triangulation
    min_ovals: int

    @property
    def min_components(self) -> int:
        """Ovals, and J in odd degrees."""
        return self.min_ovals + self.triangulation.degree % 2

    @property
    def _triangles(self) -> NDArray[np.uint8]:
        return self.triangulation.triangles.astype(np.uint8)

    def share(self, words: NDArray[np.int64]) -> float:
        """Return the share of sign vectors (B,) that have enough ovals."""
        return float(self._mark(words).mean())

    def keep(self, words: NDArray[np.int64]) -> NDArray[np.int64]:
        """Select from sign vectors (B,) those that have enough ovals, in their order."""
        return words[self._mark(words)]

    def _mark(self, words: NDArray[np.int64]) -> NDArray[np.bool_]:
        grid = octant_grid(self.triangulation.degree)
        return has_components(self._triangles, grid, words, self.min_components)

    def search(
        self, free_points: NDArray[np.int64], begin: int, end: int, *, capacity: int
    ) -> Iterator[NDArray[np.int64]]:
        """Find those of a range (see `gpu.component_search`), at most `capacity` at a time."""
        grid, triangles = octant_grid(self.triangulation.degree), self._triangles
        while begin < end:
            found = search(
                triangles,
                grid,
                free_points,
                begin,
                end,
                least=self.min_components,
                capacity=capacity,
            )
            yield found.words
            begin = found.end
