"""What the arguments of `FrankWolfe` and the entries of its groups mean: regions and settings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from tasks.nn.optimizers import unconstrained
from tasks.nn.optimizers.routing import RegionRule
from tasks.nn.optimizers.settings import StepSettings, settings_of
from tasks.nn.regions import Region, region_by_name
from tasks.nn.regions.layouts import Layout
from tasks.records import InputError

DEFAULT_WIDTH = 10.0
"""Regions have ten times the diameter that initialization needs."""
OPTIONS = (
    "region",
    "preset",
    "width",
    "radius",
    "k",
    "layout",
    "weight_decay",
    "others",
    "others_lr",
    *unconstrained.OPTIONS,
    *StepSettings.__dataclass_fields__,
)


GROUP = ("params", "lr", "lr_scale", "initial_lr", "betas", "constrained")
"""What a group may have beside options."""


def named_parameters(params: Any, number: int) -> list[tuple[str, nn.Parameter]]:
    """Parameters of a group with their names, or with their places.

    Raises
    ------
    InputError
        If the group is empty.
    """
    listed = [params] if isinstance(params, Tensor) else list(params)
    if not listed:
        raise InputError("a parameter group is empty")
    named: list[tuple[str, Any]] = []
    for i, each in enumerate(listed):
        named.append(
            each if isinstance(each, tuple) else (f"parameter {i} of group {number}", each)
        )
    return named


def with_region(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options with the region of their preset, where none is named."""
    usual = "linf" if options["preset"] == "lion" else "spectral"
    return {**options, "region": usual} if options["region"] == "auto" else dict(options)


def settings_from(options: Mapping[str, Any]) -> StepSettings:
    """How the weights of a group move.

    Raises
    ------
    InputError
        For an unknown preset or a value that is not allowed.
    """
    changes = {n: options[n] for n in StepSettings.__dataclass_fields__ if n in options}
    settings = settings_of(options["preset"], changes)
    if options["preset"] in ("muon", "lion"):
        return replace(settings, rate_factor=_decay(options))
    return settings


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse options that there are not.

    Raises
    ------
    InputError
    """
    unknown = [name for name in options if name not in OPTIONS]
    if unknown:
        raise InputError(f"no setting {unknown[0]!r}; known are {', '.join(sorted(set(OPTIONS)))}")


def check_group(group: Mapping[str, Any]) -> None:
    """Refuse a group with an entry that nothing reads.

    Raises
    ------
    InputError
    """
    unknown = [name for name in group if name not in (*OPTIONS, *GROUP)]
    if unknown:
        raise InputError(f"no entry {unknown[0]!r} of a parameter group is known")


def ordinary_options(options: Mapping[str, Any], group: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a group without a region, which may use PyTorch's names."""
    names = ("weight_decay", "betas", "momentum")
    return {**options, **{f"others_{name}": group[name] for name in names if name in group}}


def check_unconstrained(options: Mapping[str, Any]) -> None:
    """Refuse options of regions for weights without a region.

    Raises
    ------
    InputError
    """
    for name in ("radius", "width", "k", "layout", "weight_decay"):
        if options.get(name) is not None:
            hint = "; give others_weight_decay" if name == "weight_decay" else ""
            raise InputError(f"with region None nothing reads {name}{hint}")


def _decay(options: Mapping[str, Any]) -> float:
    decay = options.get("weight_decay", 0.1)
    if not (math.isfinite(decay) and decay > 0):
        raise InputError(f"preset {options['preset']} needs a weight_decay above 0, not {decay}")
    return decay


def rule_from(options: Mapping[str, Any]) -> RegionRule:
    """The region of the weights of a group.

    Raises
    ------
    InputError
        For unknown options, or a weight decay beside a region that is not made from it.
    """
    check_options(options)
    is_decayed = options["preset"] in ("muon", "lion")
    if "weight_decay" in options and not is_decayed:
        raise InputError(
            "weight_decay belongs to the presets muon and lion: elsewhere the region does its work "
            "(others_weight_decay is that of all other weights)"
        )
    region, k = options["region"], options.get("k")
    layout: Layout | None = options.get("layout")
    sizes = [name for name in ("radius", "width") if options.get(name) is not None]
    if is_decayed and (sizes or "rate_factor" in options or isinstance(region, Region)):
        raise InputError(f"preset {options['preset']} makes its regions from weight_decay alone")
    if len(sizes) > 1:
        raise InputError("give a radius or a width, not both")
    if isinstance(region, Region):
        if sizes or k is not None:
            raise InputError("a region as a value has its own radius and k; leave out others")
        return RegionRule(region, layout=layout)
    share = float(k) if isinstance(k, float) and 0 < k < 1 else 0.0
    settings = {} if k is None or share else {"k": k}
    if is_decayed:
        region = region_by_name(region, radius=1 / _decay(options), **settings)
        return RegionRule(region, share, layout=layout, muon=options["preset"] == "muon")
    if (radius := options.get("radius")) is not None:
        return RegionRule(region_by_name(region, radius=radius, **settings), share, layout=layout)
    width = options.get("width")
    width = DEFAULT_WIDTH if width is None else width
    if not (math.isfinite(width) and width > 0):
        raise InputError(f"the width factor of a region is positive and finite, not {width}")
    return RegionRule(region_by_name(region, **settings), share, width, layout)
