"""Exact lattice geometry: points of d·Δ₂, its unimodular triangulations, their regularity.

>>> from tasks.lattice import certify_regularity, load_triangulations
>>> [triangulation] = load_triangulations(["7_fra"])
>>> certify_regularity(triangulation).status.value
'regular'
"""

from tasks.lattice._errors import InvalidTriangulation
from tasks.lattice.files import builtin_names, load_triangulations, write_triangulations_json
from tasks.lattice.flips import flip, flippable_edges, random_flips
from tasks.lattice.honeycomb import honeycomb
from tasks.lattice.lifting import random_regular, regular_triangulation
from tasks.lattice.points import (
    MAX_DEGREE,
    check_degree,
    degree_of,
    lattice_points,
    num_points,
    point_index,
)
from tasks.lattice.regularity import (
    Regularity,
    RegularityCertificate,
    certify_regularity,
    folding_forms,
    is_irregular_with,
    is_regular_with,
)
from tasks.lattice.symmetry import automorphisms, canonical_key, permutations, transform
from tasks.lattice.triangulation import Triangulation

__all__ = [
    "MAX_DEGREE",
    "InvalidTriangulation",
    "Regularity",
    "RegularityCertificate",
    "Triangulation",
    "automorphisms",
    "builtin_names",
    "canonical_key",
    "certify_regularity",
    "check_degree",
    "degree_of",
    "flip",
    "flippable_edges",
    "folding_forms",
    "honeycomb",
    "is_irregular_with",
    "is_regular_with",
    "lattice_points",
    "load_triangulations",
    "num_points",
    "permutations",
    "point_index",
    "random_flips",
    "random_regular",
    "regular_triangulation",
    "transform",
    "write_triangulations_json",
]
