"""T-curves: combinatorial patchworking, real schemes and their exact census.

>>> from tasks.lattice import load_triangulations
>>> from tasks.tcurves import frontier_census
>>> [bat] = load_triangulations(["6_bat"])
>>> census = frontier_census(bat)
>>> len(census.schemes), census.sign_classes
(53, 33554432)
"""

from tasks.tcurves.census import (
    MAX_CENSUS_DEGREE,
    Census,
    SchemeCount,
    exhaustive_census,
    frontier_census,
)
from tasks.tcurves.config import PUBLISHED, CensusConfig
from tasks.tcurves.isotopy import NotACurveError, real_scheme, real_scheme_by_euler
from tasks.tcurves.patchwork import Patchwork, patchwork
from tasks.tcurves.restrictions import genus, harnack_bound, is_maximal, violated_restrictions
from tasks.tcurves.run import (
    CENSUS_TABLES,
    FLOW,
    VERIFICATION_TABLES,
    CensusItem,
    CensusPlan,
    failed_census_item,
    plan_census,
    run_census_item,
    stored_triangulation,
)
from tasks.tcurves.schema import HISTOGRAM_SCHEMA, SUMMARY_SCHEMA, VERIFICATION_SCHEMA
from tasks.tcurves.schemes import Forest, Scheme
from tasks.tcurves.signs import (
    affine_signs,
    as_signs,
    as_word,
    canonical_signs,
    harnack_signs,
    num_sign_classes,
)
from tasks.tcurves.verify import (
    known_schemes,
    possible_schemes,
    run_verification_item,
    union_schemes,
)

__all__ = [
    "CENSUS_TABLES",
    "FLOW",
    "HISTOGRAM_SCHEMA",
    "MAX_CENSUS_DEGREE",
    "PUBLISHED",
    "SUMMARY_SCHEMA",
    "VERIFICATION_SCHEMA",
    "VERIFICATION_TABLES",
    "Census",
    "CensusConfig",
    "CensusItem",
    "CensusPlan",
    "Forest",
    "NotACurveError",
    "Patchwork",
    "Scheme",
    "SchemeCount",
    "affine_signs",
    "as_signs",
    "as_word",
    "canonical_signs",
    "exhaustive_census",
    "failed_census_item",
    "frontier_census",
    "genus",
    "harnack_bound",
    "harnack_signs",
    "is_maximal",
    "known_schemes",
    "num_sign_classes",
    "patchwork",
    "plan_census",
    "possible_schemes",
    "real_scheme",
    "real_scheme_by_euler",
    "run_census_item",
    "run_verification_item",
    "stored_triangulation",
    "union_schemes",
    "violated_restrictions",
]
