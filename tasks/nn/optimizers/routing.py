"""Which weights of a network get a region, and which one.

With a model, linear layers and convolutions get the region of their weight; depthwise convolutions,
embeddings, the last layer (head), weights that several modules share, normalizations and biases go
to an ordinary optimizer within the same object, as do all weights whose shape the region cannot
take.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from tasks.nn.regions import Region
from tasks.nn.regions.layouts import CONVOLUTIONS, TRANSPOSED, Layout, layout_of
from tasks.nn.regions.radii import expected_norm, with_radius
from tasks.nn.regions.sparse_norms import WithCount
from tasks.records import InputError

TYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
WEIGHTED = (nn.Linear, *CONVOLUTIONS, *TRANSPOSED)


@dataclass(frozen=True)
class Constrained:
    """A weight, its region and its layout.

    Attributes
    ----------
    name : str
    weight : Parameter
    region : Region
    layout : Layout
    """

    name: str
    weight: nn.Parameter
    region: Region
    layout: Layout

    def as_data(self) -> dict[str, Any]:
        """Region and layout as plain data."""
        return {"region": self.region.as_data(), "layout": asdict(self.layout)}


@dataclass(frozen=True)
class RegionRule:
    """Region, size and layout for weights to come.

    Attributes
    ----------
    region : Region
        Of radius 1, or of the radius that is meant, if `width` is 0; k is that of it.
    share : float
        If positive, k is this share of what k counts, at least 1.
    width : float
        Width factor of the radius from initialization (`tasks.nn.regions.radii`); 0 keeps it.
    layout : Layout or None
        None takes the usual one.
    muon : bool
        Whether the radius is multiplied by Muon's shape factor sqrt(max(1, m / n)).
    """

    region: Region
    share: float = 0.0
    width: float = 0.0
    layout: Layout | None = None
    muon: bool = False

    def applied(self, name: str, weight: nn.Parameter, module: nn.Module | None) -> Constrained:
        """The region of one weight.

        Raises
        ------
        InputError
            If the weight has no such layout, or the region no such shape; names the weight.
        """
        try:
            layout = self.layout or layout_of(self.region, weight, module)
            points = layout.shape(weight.shape)
            region = _with_share(self.region, self.share, points) if self.share else self.region
            region.check_shape(points)
            if self.width:
                norm = expected_norm(weight, module)
                region = with_radius(region, layout, weight.shape, norm, self.width)
            if self.muon and region.event_dims == 2:
                factor = math.sqrt(max(1.0, points[-2] / points[-1]))
                region = replace(region, radius=region.radius * factor)
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        return Constrained(name, weight, region, layout)


def _with_share(region: Region, share: float, points: tuple[int, ...]) -> Region:
    if not isinstance(region, WithCount):
        raise InputError(f"{region.name} has no k")
    counts = {"group_k_support": points[-2] if len(points) > 1 else 1}
    usual = points[-1] if region.event_dims == 1 else min(points[-2:])
    count = max(1, round(share * counts.get(region.name, usual)))
    return replace(region, k=count)


def routed(
    model: nn.Module, rule: RegionRule
) -> tuple[list[Constrained], list[tuple[str, Any]], str]:
    """Weights with a region, all others by name, and why the first of those could not have it."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    owners: dict[nn.Parameter, list[nn.Module]] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(parameter, []).append(module)
    head = _head(model)
    constrained, others, reason = [], [], ""
    for parameter, name in names.items():
        [owner, *more] = owners[parameter]
        is_alone = not more and owner is not head and _is_weight(owner, parameter)
        found = None
        if is_alone:
            try:
                found = rule.applied(name, parameter, owner)
            except InputError as error:
                reason = reason or str(error)
        if found is None:
            others.append((name, parameter))
        else:
            constrained.append(found)
    return constrained, others, reason


def _is_weight(module: nn.Module, parameter: nn.Parameter) -> bool:
    if not isinstance(module, WEIGHTED) or parameter is not module.weight:
        return False
    is_depthwise = getattr(module, "groups", 1) > 1 and parameter.shape[1] == 1
    return not is_depthwise


def _head(model: nn.Module) -> nn.Module | None:
    """The last layer with a weight, if there are others."""
    layers = [module for module in model.modules() if isinstance(module, WEIGHTED)]
    return layers[-1] if len(layers) > 1 else None


def check_weights(named: Iterable[tuple[str, Tensor]]) -> None:
    """Refuse weights that are not real floating-point numbers.

    Raises
    ------
    InputError
    """
    for name, weight in named:
        if isinstance(weight, nn.parameter.UninitializedParameter):
            raise InputError(f"{name} has no shape yet: show the model a batch first")
        if weight.dtype not in TYPES:
            raise InputError(f"{name} has type {weight.dtype}; only real numbers are trained")
