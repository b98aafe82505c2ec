"""The symmetric group S₃ acting on d·Δ₂.

In barycentric coordinates (d - x - y, x, y) a permutation of the three coordinates maps A_d to
itself and unimodular triangulations to unimodular triangulations. Elements are numbered 0..5 in
the lexicographic order of the permutations of (0, 1, 2); 0 is the identity.
"""

from functools import lru_cache
from hashlib import sha256
from itertools import permutations as _permutations

import numpy as np
from numpy.typing import NDArray

from tasks.lattice.points import check_degree, lattice_points, point_index
from tasks.lattice.triangulation import Triangulation
from tasks.records.errors import InputError


@lru_cache(maxsize=64)
def permutations(degree: int) -> NDArray[np.int64]:
    """(6, n) array: element g maps point i to point permutations(d)[g, i]; read-only.

    >>> permutations(1).tolist()
    [[0, 1, 2], [0, 2, 1], [2, 1, 0], [1, 2, 0], [2, 0, 1], [1, 0, 2]]
    """
    d = check_degree(degree)
    x, y = lattice_points(d).T
    barycentric = np.stack([d - x - y, x, y])
    images = [barycentric[list(order)] for order in _permutations(range(3))]
    table = np.stack([point_index(d, image[1], image[2]) for image in images])
    table.setflags(write=False)
    return table


def transform(triangulation: Triangulation, element: int, *, name: str = "") -> Triangulation:
    """The image under an element 0..5 of S₃; weights move with their points.

    Raises
    ------
    InputError
        If the element is not one of 0..5.
    """
    if element not in range(6):
        raise InputError(f"element {element!r} of S3 is not allowed: give an integer from 0 to 5")
    image = permutations(triangulation.degree)[element]
    weights = triangulation.weights
    if weights is not None:
        source = np.argsort(image).tolist()
        weights = tuple(weights[i] for i in source)
    label = name or f"{triangulation.name}_s{element}"
    return Triangulation(label, triangulation.degree, image[triangulation.triangles], weights)


def canonical_key(triangulation: Triangulation) -> str:
    """SHA-256 hex digest, equal for two triangulations exactly if S₃ maps one to the other.

    It is taken over the least of the six images' sorted triangles; weights do not enter.
    """
    least = min(image.tobytes() for image in _images(triangulation))
    return sha256(f"S3 orbit {triangulation.degree}\n".encode() + least).hexdigest()


def automorphisms(triangulation: Triangulation) -> tuple[int, ...]:
    """The elements of S₃, ascending, that map the set of triangles to itself."""
    images = _images(triangulation)
    return tuple(g for g in range(6) if np.array_equal(images[g], images[0]))


def _images(triangulation: Triangulation) -> list[NDArray[np.int32]]:
    """Canonical triangles of the six images, big-endian so that bytes sort like indices."""
    return [transform(triangulation, g).triangles.astype(">i4") for g in range(6)]
