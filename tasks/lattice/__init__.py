"""Exact lattice geometry: points of d·Δ₂, unimodular triangulations, Newton polytopes.

>>> from tasks.lattice import certify_regularity, load_triangulations
>>> [triangulation] = load_triangulations(["7_fra"])
>>> certify_regularity(triangulation).status.value
'regular'

Newton polytopes are in `tasks.lattice.polytopes`, which is not imported here: it loads Numba.
"""

from tasks.lattice._errors import InvalidTriangulation
from tasks.lattice.certificates import Certified, certify, reduced_weights, with_certificate
from tasks.lattice.counting import MAX_COUNTED_DEGREE, UniformSampler, count_triangulations
from tasks.lattice.files import builtin_names, load_triangulations, write_triangulations_json
from tasks.lattice.flips import flip, flip_neighbors, flippable_edges, random_flips
from tasks.lattice.honeycomb import honeycomb
from tasks.lattice.lifting import perturbed, random_regular, regular_triangulation
from tasks.lattice.monomials import (
    MinkowskiSums,
    minkowski_sums,
    positions,
    rank_monomials,
    sort_monomials,
)
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
from tasks.lattice.sources import SOURCES, draw
from tasks.lattice.symmetric import REFLECTIONS, random_symmetric, symmetric_flips
from tasks.lattice.symmetry import automorphisms, canonical_key, permutations, transform
from tasks.lattice.triangulation import Triangulation

__all__ = [
    "MAX_COUNTED_DEGREE",
    "MAX_DEGREE",
    "REFLECTIONS",
    "SOURCES",
    "Certified",
    "InvalidTriangulation",
    "MinkowskiSums",
    "Regularity",
    "RegularityCertificate",
    "Triangulation",
    "UniformSampler",
    "automorphisms",
    "builtin_names",
    "canonical_key",
    "certify",
    "certify_regularity",
    "check_degree",
    "count_triangulations",
    "degree_of",
    "draw",
    "flip",
    "flip_neighbors",
    "flippable_edges",
    "folding_forms",
    "honeycomb",
    "is_irregular_with",
    "is_regular_with",
    "lattice_points",
    "load_triangulations",
    "minkowski_sums",
    "num_points",
    "permutations",
    "perturbed",
    "point_index",
    "positions",
    "random_flips",
    "random_regular",
    "random_symmetric",
    "rank_monomials",
    "reduced_weights",
    "regular_triangulation",
    "sort_monomials",
    "symmetric_flips",
    "transform",
    "with_certificate",
    "write_triangulations_json",
]
