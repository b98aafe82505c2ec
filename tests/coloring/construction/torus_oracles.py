"""Tiny tori, their conflict graphs, and the most cells that can have a color, by enumeration."""

from functools import cache

import numpy as np

from tasks.coloring.certificates.distances import parse_distances
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.construction.grids.conflicts import ConflictGraph, conflict_graph

SQUARE = Lattice.parse([["2", "0"], ["0", "2"]])
SKEW = Lattice.parse([["1.9", "0.3"], ["-0.4", "2.1"]])
CUBE = Lattice.parse([["3", "0", "0"], ["0", "3", "0"], ["0", "0", "3"]])


def tiny_graph(lattice, shape, num_colors, distances=None):
    return conflict_graph(lattice, shape, parse_distances(distances, num_colors))


def offset_vectors(graph: ConflictGraph):
    """For each color its offsets (q, n)."""
    own = [np.column_stack(np.unravel_index(places, graph.shape)) for places in graph.places]
    return [own[kind] for kind in graph.kinds]


def neighbor_masks(graph: ConflictGraph):
    """For each color and cell a bit mask of the cells that conflict with it."""
    masks = []
    cells = np.stack(np.unravel_index(np.arange(graph.num_cells), graph.shape), axis=1)
    for offsets in offset_vectors(graph):
        sums = np.mod(cells[:, None, :] + offsets[None], graph.shape)
        flat = np.ravel_multi_index(tuple(np.moveaxis(sums, -1, 0)), graph.shape)
        masks.append([sum(1 << int(j) for j in set(row)) for row in flat])
    return masks


def most_colored(graph: ConflictGraph) -> int:
    """The largest number of cells with a color, over all proper colorings."""
    masks = neighbor_masks(graph)

    @cache
    def best(color: int, free: int) -> int:
        """The most cells of a set that the colors up to this one can hold."""
        if color < 0 or not free:
            return 0
        return max(taken.bit_count() + best(color - 1, free & ~taken)
                   for taken in independent_sets(masks[color], free))  # fmt: skip

    return best(graph.num_colors - 1, (1 << graph.num_cells) - 1)


def independent_sets(masks, free: int):
    """All independent subsets of a set of cells."""
    if not free:
        yield 0
        return
    cell = free.bit_length() - 1
    rest = free & ~(1 << cell)
    yield from independent_sets(masks, rest)
    for others in independent_sets(masks, rest & ~masks[cell]):
        yield others | 1 << cell


def is_proper(graph: ConflictGraph, colors) -> bool:
    """Whether no two cells of a color conflict, pair by pair."""
    masks = neighbor_masks(graph)
    for color in range(graph.num_colors):
        cells = np.flatnonzero(np.ravel(colors) == color)
        members = sum(1 << int(i) for i in cells)
        if any(masks[color][i] & members for i in cells):
            return False
    return True
