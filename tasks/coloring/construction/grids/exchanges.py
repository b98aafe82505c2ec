"""Local search by best exchanges of two colors in windows (`gpu.torus_exchange`).

Single insertions stop early on fine grids: where a corner of a tile gains one cell, another tile
loses a whole arc.  An exchange moves arcs and corners together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gpu.torus_exchange import exchange_often
from tasks.coloring.certificates.counts import partner_counts, spectrum_of_offsets
from tasks.coloring.construction.grids.conflicts import BARRED, ConflictGraph, PartialColoring
from tasks.records import InputError

__all__ = ["LIMIT", "exchange_colors", "window_offsets"]

LIMIT = 20
"""Choices with more conflicts are left out of an exchange."""


def exchange_colors(
    coloring: PartialColoring, times: int, seed: int = 0, limit: int = LIMIT
) -> int:
    """Make best exchanges around random removed cells.

    Parameters
    ----------
    coloring
        Changed in place; never has more removed cells than before.
    times
        Number of exchanges.
    seed
        From 0 on.
    limit
        The most conflicts of a choice.

    Returns
    -------
    Exchanges made: fewer than asked for if all cells have a color.

    Raises
    ------
    InputError
        If one of the numbers is negative.
    """
    for name, given in (("number", times), ("seed", seed), ("limit of conflicts", limit)):
        if given < 0:
            raise InputError(f"the {name} of exchanges must not be negative: {given}")
    offsets, bounds = _windows(coloring.graph)
    kernel, limit = coloring.graph.kernel, min(limit, BARRED - 1)
    done = exchange_often(
        coloring.colors, coloring.counts, kernel, offsets, bounds, limit, times, seed
    )
    coloring.insert_free()
    return done


def _windows(graph: ConflictGraph) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Windows of all pairs of colors in one array with three columns, and where each lies."""
    windows: dict[tuple[int, ...], NDArray[np.int64]] = {}
    k = graph.num_colors
    pairs = {(c, d): tuple(sorted({graph.kinds[c], graph.kinds[d]})) for c in range(k)
             for d in range(k)}  # fmt: skip
    for kinds in sorted(set(pairs.values())):
        windows[kinds] = window_offsets(graph, kinds)
    ends = dict(zip(windows, np.cumsum([len(own) for own in windows.values()]), strict=True))
    bounds = np.empty((k, k, 2), np.int64)
    for (c, d), kinds in pairs.items():
        bounds[c, d] = ends[kinds] - len(windows[kinds]), ends[kinds]
    offsets = np.concatenate(list(windows.values()))
    padded = np.zeros((len(offsets), 3), np.int64)
    padded[:, 3 - len(graph.shape) :] = np.mod(offsets, graph.shape)
    return padded, bounds


def window_offsets(graph: ConflictGraph, kinds: tuple[int, ...]) -> NDArray[np.int64]:
    """Offsets (w, n) of cells of which no two conflict in colors of some kinds.

    Conflicts leave a hole around the origin.  Taken are the offsets d with 2 d in the hole; if it
    is convex, their differences lie in it as well.  Where rounding leaves conflicts all the same,
    the rim is taken off until none is left; the origin alone has none.
    """
    places = np.unique(np.concatenate([graph.places[kind] for kind in kinds]))
    ring = np.zeros(graph.shape, np.bool_)
    ring.reshape(-1)[places] = True
    center = np.array(graph.shape) // 2
    free, _ = ndimage.label(~np.roll(ring, center, axis=range(ring.ndim)))
    hole = free == free[tuple(center)]
    half = hole[tuple(slice(c % 2, None, 2) for c in center)]
    inside = np.zeros(graph.shape, np.bool_)
    inside[tuple(map(slice, half.shape))] = half
    spectrum = spectrum_of_offsets(graph.shape, places)
    while partner_counts(inside, places, spectrum)[inside].any():
        inside = ndimage.binary_erosion(inside)
    inside[tuple(center // 2)] = True
    return np.argwhere(inside) - center // 2
