"""Blocks of a Gram matrix from the sparsity of the polynomial.

A graph on the basis (term sparsity) or on the variables (correlative sparsity) is extended to a
chordal one; its maximal cliques are the blocks. With blocks B_1..B_r the Gram problem asks for
p = Σ z_k' Q_k z_k. This is sufficient for p to be a sum of squares and in general not necessary,
except for the blocks of the sign symmetries (`tasks.sos.bases.reductions`), which lose nothing.

References
----------
Wang, Magron, Lasserre: TSSOS, arXiv 1912.08899, section 3; Chordal-TSSOS, arXiv 2003.03210,
section 3. Waki, Kim, Kojima, Muramatsu: Sums of squares and semidefinite program relaxations for
polynomial optimization problems with structured sparsity, SIAM J. Optim. 17 (2006).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import connected_components

from tasks.lattice import minkowski_sums, positions, sort_monomials
from tasks.lattice.monomials import as_rows
from tasks.records import InputError
from tasks.sos.bases._diagonal import group_indices

Indices = NDArray[np.int64]
Adjacency = NDArray[np.bool_]


def term_sparsity_blocks(
    basis: ArrayLike, support: ArrayLike, *, chordal: bool, max_rounds: int | None = None
) -> list[Indices]:
    """Blocks of the term sparsity graph after iterated support extension.

    Two elements b, b' of the basis B are joined if b + b' is a term, one of 2B, or a sum within
    an edge of the previous round. A round extends the graph: to the complete graphs on its
    connected components, or to an approximately minimal chordal graph (least degree first). The
    blocks grow from round to round.

    Parameters
    ----------
    basis
        (m, n), distinct rows.
    support
        (T, n), the terms.
    chordal
        Maximal cliques of the chordal graph, which may overlap, instead of components.
    max_rounds
        Stop after so many rounds; by default when nothing changes.

    Returns
    -------
    list of int64 arrays
        Indices into the basis, ascending.

    Examples
    --------
    >>> terms = [[4, 0], [2, 2], [0, 4], [2, 0], [1, 1], [0, 2], [0, 0]]
    >>> basis = [[2, 0], [1, 1], [0, 2], [1, 0], [0, 1], [0, 0]]
    >>> [block.tolist() for block in term_sparsity_blocks(basis, terms, chordal=False)]
    [[0, 1, 2, 5], [3, 4]]
    """
    rows, terms = as_rows(basis), sort_monomials(support)
    if max_rounds is not None and max_rounds < 1:
        raise InputError(f"{max_rounds} rounds of support extension: give at least 1")
    if not len(rows):
        return []
    sums = minkowski_sums(rows)
    is_active = positions(sums.rows, terms) >= 0
    is_active[sums.index.diagonal()] = True
    rounds = 0
    while True:
        blocks = _blocks(is_active[sums.index], chordal)
        rounds += 1
        grown = is_active.copy()
        for block in blocks:
            grown[sums.index[np.ix_(block, block)]] = True
        if rounds == max_rounds or (grown == is_active).all():
            return blocks
        is_active = grown


def _blocks(adjacency: Adjacency, chordal: bool) -> list[Indices]:
    """Maximal cliques of a chordal extension, or the connected components."""
    if chordal:
        return maximal_cliques(chordal_extension(adjacency))
    return group_indices(connected_components(adjacency, directed=False)[1])


def correlative_cliques(
    support: ArrayLike, *, together: Sequence[Sequence[int]] = ()
) -> list[Indices]:
    """Cliques of variables, with the running intersection property.

    Two variables are joined if they occur in one term, or in one group of `together` (the
    variables of a constraint). The k-th clique meets the union of the earlier ones within one of
    them.

    >>> [clique.tolist() for clique in correlative_cliques([[2, 1, 0], [0, 1, 2], [0, 0, 4]])]
    [[0, 1], [1, 2]]
    """
    rows = as_rows(support)
    n = rows.shape[1]
    occurs = np.unique(rows > 0, axis=0)
    groups = np.zeros((len(together), n), dtype=bool)
    for mask, group in zip(groups, together, strict=True):
        if not all(0 <= variable < n for variable in group):
            raise InputError(f"variables {list(group)}: give indices from 0 to {n - 1}")
        mask[list(group)] = True
    incidence = np.concatenate([occurs, groups]).astype(np.int64)
    adjacency = incidence.T @ incidence > 0
    return maximal_cliques(chordal_extension(adjacency))


def chordal_extension(adjacency: Adjacency) -> Adjacency:
    """A chordal graph that contains the given one: eliminate a vertex of least degree first.

    Parameters
    ----------
    adjacency
        (m, m), symmetric; its diagonal is taken to be true. O(m³) in the worst case.
    """
    extended = adjacency | np.eye(len(adjacency), dtype=bool)
    is_left = np.ones(len(adjacency), dtype=bool)
    degrees = extended.sum(axis=1)
    for num_left in range(len(adjacency), 0, -1):
        vertex = int(np.where(is_left, degrees, len(adjacency) + 1).argmin())
        if degrees[vertex] == num_left:  # all that is left is complete
            break
        neighbors = np.flatnonzero(extended[vertex] & is_left)
        square = np.ix_(neighbors, neighbors)
        degrees[neighbors] += (~extended[square]).sum(axis=1) - 1
        extended[square] = True
        is_left[vertex] = False
    return extended


def maximal_cliques(chordal: Adjacency) -> list[Indices]:
    """The maximal cliques of a chordal graph, in an order with running intersections.

    Maximum cardinality search: the next vertex is one with most neighbors among the earlier ones;
    these neighbors and the vertex form a clique. O(m²), and a matrix product.

    Raises
    ------
    InputError
        If the graph is not chordal.

    References
    ----------
    Blair, Peyton: An introduction to chordal graphs and clique trees, 1993, section 4.
    """
    m = len(chordal)
    members = np.zeros((m, m), dtype=bool)
    is_visited = np.zeros(m, dtype=bool)
    num_visited_neighbors, visited_at = np.zeros((2, m), dtype=np.int64)
    for row in range(m):
        vertex = int(np.where(is_visited, -1, num_visited_neighbors).argmax())
        neighbors = np.flatnonzero(chordal[vertex] & is_visited)
        if len(neighbors):
            # It suffices that the neighbor visited last sees the others.
            last = neighbors[visited_at[neighbors].argmax()]
            if not np.delete(chordal[last, neighbors], neighbors == last).all():
                raise InputError("the graph is not chordal: extend it first")
        members[row, neighbors] = members[row, vertex] = True
        is_visited[vertex] = True
        visited_at[vertex] = row
        num_visited_neighbors += chordal[vertex]
    return [np.flatnonzero(members[k]) for k in _maximal_rows(members)]


def _maximal_rows(members: Adjacency) -> list[int]:
    """Indices of the sets, one per row, that no other contains; of equal ones the first."""
    sizes = members.sum(axis=1)
    wide = members.astype(np.float32)  # exact below 2²⁴ members, and far faster than integers
    common = wide @ wide.T
    kept: list[int] = []
    for k in np.argsort(-sizes, kind="stable"):
        if sizes[k] and not (common[k, kept] == sizes[k]).any():
            kept.append(int(k))
    return sorted(kept)
