"""Regions for Frank-Wolfe: compact convex sets with an oracle for their extreme points.

A region is a frozen value.  Vector regions act on the last dimension of a tensor, matrix regions on
the last two; what comes before is a batch.  `tasks.nn.regions.layouts` says how a weight becomes
vectors or matrices, `tasks.nn.regions.radii` how large a region it needs.

>>> import torch
>>> from tasks.nn.regions import region_by_name
>>> ball = region_by_name("k_sparse", radius=2.0, k=1)
>>> ball.extreme_point(torch.tensor([0.5, -3.0, 1.0]))
tensor([0., 2., 0.])
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from tasks.nn.regions.flows import FlowPolytope
from tasks.nn.regions.norm_balls import Box, L1Ball, L2Ball, LinfBall, LpBall
from tasks.nn.regions.polytopes import (
    BirkhoffPolytope,
    Hypersimplex,
    Permutahedron,
    Simplex,
    Spectraplex,
    UnitSimplex,
)
from tasks.nn.regions.region import Region
from tasks.nn.regions.sparse_norms import (
    GroupKSupportNormBall,
    KNormBall,
    KSparsePolytope,
    KSupportNormBall,
)
from tasks.nn.regions.spectral import (
    NuclearNormBall,
    SpectralKSparsePolytope,
    SpectralKSupportNormBall,
    SpectralNormBall,
)
from tasks.records import InputError

REGIONS: Mapping[str, type[Region]] = {
    region.name: region
    for region in (
        L1Ball,
        L2Ball,
        LinfBall,
        LpBall,
        KSparsePolytope,
        KNormBall,
        KSupportNormBall,
        GroupKSupportNormBall,
        NuclearNormBall,
        SpectralNormBall,
        SpectralKSparsePolytope,
        SpectralKSupportNormBall,
        Simplex,
        UnitSimplex,
        Permutahedron,
        BirkhoffPolytope,
        Box,
        Hypersimplex,
        Spectraplex,
        FlowPolytope,
    )
}
"""All regions by name."""

__all__ = [
    "REGIONS",
    "BirkhoffPolytope",
    "Box",
    "FlowPolytope",
    "GroupKSupportNormBall",
    "Hypersimplex",
    "KNormBall",
    "KSparsePolytope",
    "KSupportNormBall",
    "L1Ball",
    "L2Ball",
    "LinfBall",
    "LpBall",
    "NuclearNormBall",
    "Permutahedron",
    "Region",
    "Simplex",
    "SpectralKSparsePolytope",
    "SpectralKSupportNormBall",
    "SpectralNormBall",
    "Spectraplex",
    "UnitSimplex",
    "region_by_name",
]


def region_by_name(name: str, **settings: Any) -> Region:
    """A region of `REGIONS` with these settings: a radius, and k, p or bounds where it has them.

    Raises
    ------
    InputError
        For an unknown name or setting, or a value that is not allowed.
    """
    if name not in REGIONS:
        raise InputError(f"no region {name!r}; known are {', '.join(REGIONS)}")
    known = [field.name for field in fields(REGIONS[name])]
    unknown = [setting for setting in settings if setting not in known]
    if unknown:
        raise InputError(f"{name} has no {unknown[0]}; its settings are {', '.join(known)}")
    return REGIONS[name](**settings)
