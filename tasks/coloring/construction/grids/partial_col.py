"""PartialCol: tabu search for the largest colored part of the torus (`gpu.torus_tabu`)."""

from __future__ import annotations

from gpu.torus_tabu import tabu_search
from tasks.coloring.construction.grids.conflicts import PartialColoring
from tasks.records import InputError

__all__ = ["partial_col"]


def partial_col(coloring: PartialColoring, steps: int, seed: int = 0) -> int:
    """Search by single insertions and become the best coloring that was met.

    Parameters
    ----------
    coloring
        Changed in place; never has more removed cells than before.
    steps
        Number of insertions.
    seed
        From 0 on.

    Returns
    -------
    Insertions made: fewer than asked for if none is left that removes few cells.

    Raises
    ------
    InputError
        If the number of steps or the seed is negative.
    """
    for name, given in (("number of steps", steps), ("seed", seed)):
        if given < 0:
            raise InputError(f"the {name} of PartialCol must not be negative: {given}")
    if steps == 0:
        return 0
    graph = coloring.graph.kernel
    best, done = tabu_search(coloring.colors, coloring.counts, graph, steps, seed)
    coloring.change_to(best)
    return done
