"""Lattice points of the dilated simplex, in the order shared with polymake.

The Newton polygon of a plane curve of degree d is d·Δ₂ = conv{(0,0), (d,0), (0,d)}. Its lattice
points are A_d = {(x, y) ∈ Z² : x, y ≥ 0, x + y ≤ d}, n = (d+1)(d+2)/2 of them, listed x-major:

    (0,0), (0,1), …, (0,d), (1,0), …, (1,d-1), …, (d,0),
    index(x, y) = x(d+1) - x(x-1)/2 + y.
"""

from functools import lru_cache
from math import isqrt
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from tasks.records.errors import InputError, shortened

MAX_DEGREE = 60
"""Largest degree accepted: 1891 points and 3600 triangles."""


def check_degree(degree: Any) -> int:
    """The degree as a plain int.

    Raises
    ------
    InputError
        If it is not an integer in 1..MAX_DEGREE.
    """
    is_integer = isinstance(degree, int | np.integer) and not isinstance(degree, bool)
    if not is_integer or not 1 <= degree <= MAX_DEGREE:
        raise InputError(
            f"degree {shortened(degree)} is not allowed: give an integer from 1 to {MAX_DEGREE}"
        )
    return int(degree)


def num_points(degree: int) -> int:
    """|A_d| = (d+1)(d+2)/2.

    >>> [num_points(d) for d in (1, 6, 7, 8)]
    [3, 28, 36, 45]
    """
    d = check_degree(degree)
    return (d + 1) * (d + 2) // 2


def degree_of(points: int) -> int:
    """The degree d whose A_d has the given number of points.

    Raises
    ------
    InputError
        If no degree in 1..MAX_DEGREE has that many points.
    """
    d = (isqrt(8 * max(int(points), 0) + 1) - 3) // 2
    if not 1 <= d <= MAX_DEGREE or num_points(d) != points:
        raise InputError(
            f"no degree has {shortened(points)} lattice points: degree d has (d+1)(d+2)/2 of them "
            f"(3, 6, 10, 15, 21, 28, 36, 45, …, up to degree {MAX_DEGREE})"
        )
    return d


@lru_cache(maxsize=MAX_DEGREE)
def lattice_points(degree: int) -> NDArray[np.int64]:
    """A_d as an (n, 2) array of (x, y), x-major; read-only, shared between calls.

    >>> lattice_points(1).tolist()
    [[0, 0], [0, 1], [1, 0]]
    """
    d = check_degree(degree)
    points = np.array([(x, y) for x in range(d + 1) for y in range(d + 1 - x)], dtype=np.int64)
    points.setflags(write=False)
    return points


@overload
def point_index(degree: int, x: int, y: int) -> int: ...
@overload
def point_index(
    degree: int, x: NDArray[np.integer], y: NDArray[np.integer]
) -> NDArray[np.integer]: ...
def point_index(degree: int, x: Any, y: Any) -> Any:
    """Index of (x, y) in `lattice_points(degree)`; works elementwise on arrays.

    Raises
    ------
    InputError
        If a point lies outside d·Δ₂.

    >>> point_index(6, 0, 6), point_index(6, 1, 0), point_index(6, 6, 0)
    (6, 7, 27)
    """
    d = check_degree(degree)
    if not np.all((np.asarray(x) >= 0) & (np.asarray(y) >= 0) & (np.add(x, y) <= d)):
        raise InputError(
            f"point ({shortened(x)}, {shortened(y)}) lies outside x, y >= 0, x + y <= {d}"
        )
    return x * (d + 1) - x * (x - 1) // 2 + y
