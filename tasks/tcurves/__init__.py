"""T-curves: combinatorial patchworking, real schemes and their exact census.

>>> from tasks.lattice import load_triangulations
>>> from tasks.tcurves import frontier_census
>>> [bat] = load_triangulations(["6_bat"])
>>> census = frontier_census(bat)
>>> len(census.schemes), census.sign_classes
(53, 33554432)
"""

from typing import TYPE_CHECKING

from tasks.records.lazy import lazy_exports

if TYPE_CHECKING:
    from tasks.tcurves.base_bound import (
        BaseBound,
        base_bound,
    )
    from tasks.tcurves.census import (
        MAX_CENSUS_DEGREE,
        Census,
        SchemeCount,
        exhaustive_census,
        frontier_census,
    )
    from tasks.tcurves.certificates import (
        Certificate,
        parse_certificate,
        read_certificate,
    )
    from tasks.tcurves.config import (
        PUBLISHED,
        CensusConfig,
    )
    from tasks.tcurves.gallery import (
        gallery_page,
    )
    from tasks.tcurves.isotopy import (
        NotACurveError,
        real_scheme,
        real_scheme_by_euler,
    )
    from tasks.tcurves.orientation import (
        ComplexOrientation,
        complex_orientation,
    )
    from tasks.tcurves.patchwork import (
        Patchwork,
        patchwork,
    )
    from tasks.tcurves.polynomial import (
        TPolynomial,
        t_polynomial,
    )
    from tasks.tcurves.restrictions import (
        genus,
        harnack_bound,
        is_maximal,
        violated_restrictions,
    )
    from tasks.tcurves.run import (
        CensusWork,
        census_inputs,
        census_items,
        census_rows,
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
    from tasks.tcurves.schemes import (
        Forest,
        Scheme,
    )
    from tasks.tcurves.signs import (
        affine_signs,
        as_signs,
        as_word,
        canonical_signs,
        harnack_signs,
        num_sign_classes,
    )
    from tasks.tcurves.sweep_plan import (
        SweepConfig,
        SweepWork,
        check_sweep_device,
        sweep_inputs,
        sweep_items,
    )
    from tasks.tcurves.sweep_summary import (
        sweep_summary_rows,
        unclassified_schemes,
    )
    from tasks.tcurves.sweeps import (
        sweep_rows,
    )
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
    from tasks.tcurves.verification import (
        Verification,
        verify_certificate,
    )
    from tasks.tcurves.verify import (
        known_schemes,
        possible_schemes,
        union_schemes,
        verification_rows,
    )
    from tasks.tcurves.weights import (
        shrink_weights,
        weight_bits,
    )
    from tasks.tcurves.witnesses import (
        Witness,
        archive_witnesses,
        census_witnesses,
    )

__all__ = [
    "HISTOGRAM_SCHEMA",
    "MAX_CENSUS_DEGREE",
    "PUBLISHED",
    "SHARD_SCHEMA",
    "SUMMARY_SCHEMA",
    "SWEEP_SCHEMA",
    "SWEEP_SUMMARY_SCHEMA",
    "VERIFICATION_SCHEMA",
    "BaseBound",
    "Census",
    "CensusConfig",
    "CensusWork",
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
    "SweepWork",
    "TPolynomial",
    "Verification",
    "Witness",
    "affine_signs",
    "archive_witnesses",
    "as_signs",
    "as_word",
    "base_bound",
    "canonical_signs",
    "census_inputs",
    "census_items",
    "census_rows",
    "census_witnesses",
    "check_sweep_device",
    "complex_orientation",
    "component_matrix",
    "dividing_signs",
    "dividing_type",
    "edge_twists",
    "exhaustive_census",
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
    "possible_schemes",
    "read_certificate",
    "real_scheme",
    "real_scheme_by_euler",
    "shrink_weights",
    "stored_triangulation",
    "sweep_inputs",
    "sweep_items",
    "sweep_rows",
    "sweep_summary_rows",
    "t_polynomial",
    "unclassified_schemes",
    "union_schemes",
    "verification_rows",
    "verify_certificate",
    "violated_restrictions",
    "weight_bits",
]

__getattr__ = lazy_exports(__name__, __file__)
