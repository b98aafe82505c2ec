"""T-curves: combinatorial patchworking, real schemes and their exact census.

>>> from tasks.lattice import load_triangulations
>>> from tasks.tcurves import frontier_census
>>> [bat] = load_triangulations(["6_bat"])
>>> census = frontier_census(bat)
>>> len(census.schemes), census.sign_classes
(53, 33554432)
"""

from tasks.tcurves.base_bound import BaseBound, base_bound
from tasks.tcurves.census import (
    MAX_CENSUS_DEGREE,
    Census,
    SchemeCount,
    exhaustive_census,
    frontier_census,
)
from tasks.tcurves.certificates import Certificate, parse_certificate, read_certificate
from tasks.tcurves.config import PUBLISHED, CensusConfig
from tasks.tcurves.gallery import gallery_page
from tasks.tcurves.isotopy import NotACurveError, real_scheme, real_scheme_by_euler
from tasks.tcurves.orientation import ComplexOrientation, complex_orientation
from tasks.tcurves.patchwork import Patchwork, patchwork
from tasks.tcurves.polynomial import TPolynomial, t_polynomial
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
from tasks.tcurves.schema import (
    HISTOGRAM_SCHEMA,
    SHARD_SCHEMA,
    SUMMARY_SCHEMA,
    SWEEP_SCHEMA,
    SWEEP_SUMMARY_SCHEMA,
    VERIFICATION_SCHEMA,
)
from tasks.tcurves.schemes import Forest, Scheme
from tasks.tcurves.signs import (
    affine_signs,
    as_signs,
    as_word,
    canonical_signs,
    harnack_signs,
    num_sign_classes,
)
from tasks.tcurves.sweep_plan import (
    SWEEP_FLOW,
    SweepConfig,
    SweepItem,
    SweepPlan,
    check_sweep_device,
    plan_sweep,
)
from tasks.tcurves.sweep_summary import (
    SWEEP_SUMMARY_TABLES,
    SweepResult,
    summarize_sweep,
    unclassified_schemes,
)
from tasks.tcurves.sweeps import SWEEP_TABLES, failed_sweep_item, run_sweep_item
from tasks.tcurves.twists import (
    DividingType,
    SignSpace,
    component_matrix,
    dividing_signs,
    dividing_type,
    edge_twists,
    maximal_signs,
    num_components_by_rank,
)
from tasks.tcurves.verification import Verification, verify_certificate
from tasks.tcurves.verify import (
    known_schemes,
    possible_schemes,
    run_verification_item,
    union_schemes,
)
from tasks.tcurves.weights import shrink_weights, weight_bits
from tasks.tcurves.witnesses import Witness, archive_witnesses, census_witnesses

__all__ = [
    "CENSUS_TABLES",
    "FLOW",
    "HISTOGRAM_SCHEMA",
    "MAX_CENSUS_DEGREE",
    "PUBLISHED",
    "SHARD_SCHEMA",
    "SUMMARY_SCHEMA",
    "SWEEP_FLOW",
    "SWEEP_SCHEMA",
    "SWEEP_SUMMARY_SCHEMA",
    "SWEEP_SUMMARY_TABLES",
    "SWEEP_TABLES",
    "VERIFICATION_SCHEMA",
    "VERIFICATION_TABLES",
    "BaseBound",
    "Census",
    "CensusConfig",
    "CensusItem",
    "CensusPlan",
    "Certificate",
    "ComplexOrientation",
    "DividingType",
    "Forest",
    "NotACurveError",
    "Patchwork",
    "Scheme",
    "SchemeCount",
    "SignSpace",
    "SweepConfig",
    "SweepItem",
    "SweepPlan",
    "SweepResult",
    "TPolynomial",
    "Verification",
    "Witness",
    "affine_signs",
    "archive_witnesses",
    "as_signs",
    "as_word",
    "base_bound",
    "canonical_signs",
    "census_witnesses",
    "check_sweep_device",
    "complex_orientation",
    "component_matrix",
    "dividing_signs",
    "dividing_type",
    "edge_twists",
    "exhaustive_census",
    "failed_census_item",
    "failed_sweep_item",
    "frontier_census",
    "gallery_page",
    "genus",
    "harnack_bound",
    "harnack_signs",
    "is_maximal",
    "known_schemes",
    "maximal_signs",
    "num_components_by_rank",
    "num_sign_classes",
    "parse_certificate",
    "patchwork",
    "plan_census",
    "plan_sweep",
    "possible_schemes",
    "read_certificate",
    "real_scheme",
    "real_scheme_by_euler",
    "run_census_item",
    "run_sweep_item",
    "run_verification_item",
    "shrink_weights",
    "stored_triangulation",
    "summarize_sweep",
    "t_polynomial",
    "unclassified_schemes",
    "union_schemes",
    "verify_certificate",
    "violated_restrictions",
    "weight_bits",
]
