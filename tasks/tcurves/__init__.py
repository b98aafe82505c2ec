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
    SUMMARY_TABLES,
    SweepResult,
    summarize_sweep,
    unclassified_schemes,
)
from tasks.tcurves.sweeps import SHARD_TABLES, failed_sweep_item, run_sweep_item
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
    "SHARD_SCHEMA",
    "SHARD_TABLES",
    "SUMMARY_SCHEMA",
    "SUMMARY_TABLES",
    "SWEEP_FLOW",
    "SWEEP_SCHEMA",
    "SWEEP_SUMMARY_SCHEMA",
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
    "SweepConfig",
    "SweepItem",
    "SweepPlan",
    "SweepResult",
    "affine_signs",
    "as_signs",
    "as_word",
    "canonical_signs",
    "check_sweep_device",
    "exhaustive_census",
    "failed_census_item",
    "failed_sweep_item",
    "frontier_census",
    "genus",
    "harnack_bound",
    "harnack_signs",
    "is_maximal",
    "known_schemes",
    "num_sign_classes",
    "patchwork",
    "plan_census",
    "plan_sweep",
    "possible_schemes",
    "real_scheme",
    "real_scheme_by_euler",
    "run_census_item",
    "run_sweep_item",
    "run_verification_item",
    "stored_triangulation",
    "summarize_sweep",
    "unclassified_schemes",
    "union_schemes",
    "violated_restrictions",
]
