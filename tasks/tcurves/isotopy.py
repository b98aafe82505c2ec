"""The real scheme of one T-curve, by two algorithms that share nothing but the triangulation.

`real_scheme` runs the compiled union-find with Z2 potentials (`gpu.isotopy`): the root is the
region with a potential contradiction (d even) or next to itself along J (d odd).

`real_scheme_by_euler` labels regions with a graph search and recognizes the root by the Euler
characteristic.  A region R is a disk with holes, or a Moebius strip with holes, or (d odd) the
region that becomes one by gluing along J; with chi(R) = V - E + F over its monochromatic simplices
and deg(R) its number of neighbors,

    chi(R) + deg(R) = 1  for the root,   chi(R) + deg(R) = 2  for every other region.

Both are O(d^2 log d).

References
----------
arXiv 2604.09221, Section 3, for the problem; the Euler criterion is elementary: capping the holes
of a planar region gives a sphere (characteristic 2), those of the root a projective plane or, for
odd d, after cutting along J, a disk (characteristic 1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gpu.isotopy import label_regions
from tasks.lattice import Triangulation
from tasks.tcurves.patchwork import Patchwork, patchwork
from tasks.tcurves.schemes import Forest, Scheme
from tasks.tcurves.signs import as_signs


class NotACurveError(ArithmeticError):
    """The regions do not form a rooted tree: impossible for a patchwork on RP^2."""


def real_scheme(triangulation: Triangulation, signs: int | ArrayLike) -> Scheme:
    """Compute the real scheme by union-find with potentials.

    Parameters
    ----------
    triangulation : Triangulation
        Degree 1..60.
    signs : int or array of 0 and 1, shape (n,)
        As accepted by `as_signs`.
    """
    complex_ = patchwork(triangulation)
    s = as_signs(triangulation.degree, signs)
    labels, root = regions(complex_, s)
    return _scheme(complex_, s, labels, root)


def regions(complex_: Patchwork, signs: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Label the vertices of RP^2 by region with union-find; return labels (V,) and the root."""
    parent, parity, labels = np.empty((3, complex_.num_vertices), dtype=np.int64)
    is_odd = bool(complex_.triangulation.degree % 2)
    _, root = label_regions(complex_.edges, signs, is_odd, parent, parity, labels)
    if root < 0:
        raise NotACurveError("no region is one-sided")
    return labels, int(root)


def real_scheme_by_euler(triangulation: Triangulation, signs: int | ArrayLike) -> Scheme:
    """Compute the real scheme by graph search and Euler characteristics."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    complex_ = patchwork(triangulation)
    s = as_signs(triangulation.degree, signs)
    cut = complex_.bichromatic(s)
    u, v = complex_.edges[~cut, :2].T
    size = complex_.num_vertices
    graph = coo_array((np.ones(u.size), (u, v)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    labels = labels.astype(np.int64)
    return _scheme(complex_, s, labels, _root_by_euler(complex_, cut, labels))


def _root_by_euler(complex_: Patchwork, cut: NDArray[np.bool_], labels: NDArray[np.int64]) -> int:
    """Find the one region with chi + deg = 1 and check that all others have 2."""
    num_regions = int(labels.max()) + 1
    one_color = ~cut[complex_.faces].any(axis=1)
    region_of_edge = labels[complex_.edges[:, 0]]
    chi = (
        np.bincount(labels, minlength=num_regions)
        - np.bincount(region_of_edge[~cut], minlength=num_regions)
        + np.bincount(region_of_edge[complex_.faces[one_color, 0]], minlength=num_regions)
    )
    pairs = _adjacent_regions(complex_, cut, labels)
    total = chi + np.bincount(pairs.ravel(), minlength=num_regions)
    roots = np.flatnonzero(total == 1)
    if len(roots) != 1 or (np.delete(total, roots) != 2).any():
        raise NotACurveError(f"chi + deg of the regions is {total.tolist()}")
    return int(roots[0])


def _adjacent_regions(
    complex_: Patchwork, cut: NDArray[np.bool_], labels: NDArray[np.int64]
) -> NDArray[np.int64]:
    """List the pairs of different regions on the two sides of the curve: (m, 2), each once."""
    pairs = np.sort(labels[complex_.edges[cut, :2]], axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)


def region_tree(
    complex_: Patchwork,
    signs: NDArray[np.int64],
    labels: NDArray[np.int64],
    root: int,
) -> tuple[list[int], list[int]]:
    """Root the tree of regions: (regions from the root outward, parent of each region).

    Raises
    ------
    NotACurveError
        If the regions do not form a tree.
    """
    pairs = _adjacent_regions(complex_, complex_.bichromatic(signs), labels)
    num_regions = int(labels.max()) + 1
    neighbors: list[list[int]] = [[] for _ in range(num_regions)]
    for a, b in pairs.tolist():
        neighbors[a].append(b)
        neighbors[b].append(a)
    order, parents = [root], [-1] * num_regions
    for region in order:
        for other in neighbors[region]:
            if other != parents[region]:
                parents[other] = region
                order.append(other)
        if len(order) > num_regions:
            break
    if len(pairs) != num_regions - 1 or len(order) != num_regions:
        raise NotACurveError(f"{num_regions} regions with {len(pairs)} adjacencies are no tree")
    return order, parents


def _scheme(
    complex_: Patchwork, signs: NDArray[np.int64], labels: NDArray[np.int64], root: int
) -> Scheme:
    """Turn labeled regions into a scheme."""
    order, parents = region_tree(complex_, signs, labels, root)
    children: dict[int, list[Forest]] = {region: [] for region in order}
    for region in reversed(order[1:]):
        children[parents[region]].append(tuple(children[region]))
    is_odd = bool(complex_.triangulation.degree % 2)
    return Scheme.of(tuple(children[root]), pseudo_line=is_odd)
