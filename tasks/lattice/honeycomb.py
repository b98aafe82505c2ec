"""The honeycomb triangulation of d·Δ₂: all lines x, y, x + y ∈ Z.

It is induced by the heights x² + xy + y², and the dual of its lifting is the honeycomb curve.
"""

import numpy as np

from tasks.lattice.points import check_degree, lattice_points, point_index
from tasks.lattice.triangulation import Triangulation


def honeycomb(degree: int) -> Triangulation:
    """The honeycomb triangulation, with weights x² + xy + y², called "<d>_honeycomb".

    >>> honeycomb(1).weights
    (0, 1, 1)
    """
    d = check_degree(degree)
    points = lattice_points(d)
    x, y = points[points.sum(axis=1) < d].T
    up = np.column_stack([point_index(d, x, y), point_index(d, x, y + 1), point_index(d, x + 1, y)])
    x, y = points[points.sum(axis=1) < d - 1].T
    down = np.column_stack(
        [point_index(d, x + 1, y), point_index(d, x, y + 1), point_index(d, x + 1, y + 1)]
    )
    x, y = points.T
    weights = x * x + x * y + y * y
    return Triangulation.of(d, np.concatenate([up, down]), weights=weights, name=f"{d}_honeycomb")
