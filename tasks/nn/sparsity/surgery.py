"""Filter pruning: by masks, and as a really smaller model.

For a group of channels (`tasks.nn.sparsity.channels`) a boolean vector says which are kept.  The
masks of a channel that is dropped cover its filters in all producers, their biases, and weight and
bias of its normalizations: then its value is 0 wherever it occurs, whatever the input.  So the
model with these channels cut out computes the same function, up to the order of sums.

The saliency of a channel is the Euclidean norm of its filters in all producers.

References
----------
Li et al., Pruning filters for efficient ConvNets, arXiv:1608.08710 (norms of filters).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tasks.nn.sparsity.channels import ChannelGroup, select
from tasks.nn.sparsity.masks import largest
from tasks.records import InputError

Kept = Mapping[str, Tensor]
_WIDTHS = {
    nn.Conv2d: ("out_channels", "in_channels"),
    nn.Linear: ("out_features", "in_features"),
}


def channel_norms(model: nn.Module, groups: Sequence[ChannelGroup]) -> dict[str, Tensor]:
    """Saliencies (size,) of the channels of each group, by its name."""
    return {group.name: _norms(model, group) for group in groups}


def largest_channels(norms: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Kept channels: round(share * size) of the smallest norm are dropped, never all.

    Raises
    ------
    InputError
        Unless the share lies in [0, 1).
    """
    if not 0 <= share < 1:
        raise InputError(f"a share {share} of filters is not in [0, 1)")
    return {n: largest(v, max(len(v) - round(share * len(v)), 1)) for n, v in norms.items()}


def channel_masks(
    model: nn.Module, groups: Sequence[ChannelGroup], kept: Kept
) -> dict[str, Tensor]:
    """Masks, by parameter name, under which dropped channels are zero.

    Raises
    ------
    InputError
        If `kept` does not fit the groups or drops a whole group.
    """
    check_kept(groups, kept)
    parameters = dict(model.named_parameters())
    masks: dict[str, Tensor] = {}
    for group in groups:
        if group.name not in kept:
            continue
        for module in (*group.producers, *group.normalizations):
            for name in (f"{module}.weight", f"{module}.bias"):
                if name in parameters:
                    masks[name] = _row_mask(parameters[name], kept[group.name])
    return masks


def without_channels(model: nn.Module, groups: Sequence[ChannelGroup], kept: Kept) -> nn.Module:
    """Copy of a model whose dropped channels are cut out of weights, biases and statistics.

    Raises
    ------
    InputError
        If `kept` does not fit the groups or drops a whole group.
    """
    check_kept(groups, kept)
    smaller = copy.deepcopy(model)
    for group in groups:
        if group.name not in kept:
            continue
        for name in group.producers:
            _cut_outputs(smaller.get_submodule(name), kept[group.name])
        for name in group.consumers:
            _cut_inputs(smaller.get_submodule(name), kept[group.name])
        for name in group.normalizations:
            _cut_normalization(smaller.get_submodule(name), kept[group.name])
    return smaller


def check_kept(groups: Sequence[ChannelGroup], kept: Kept) -> None:
    """Refuse choices of channels that do not fit the groups."""
    sizes = {group.name: group.size for group in groups}
    for name, chosen in kept.items():
        if name not in sizes:
            raise InputError(f"{name} names no group of channels; known are {', '.join(sizes)}")
        if chosen.dtype != torch.bool or chosen.shape != (sizes[name],):
            raise InputError(f"{name} has {sizes[name]} channels: give as many booleans")
        if not bool(chosen.any()):
            raise InputError(f"all channels of {name} would be dropped; keep at least one")


def _norms(model: nn.Module, group: ChannelGroup) -> Tensor:
    weights = [model.get_submodule(name).get_parameter("weight") for name in group.producers]
    squares = [w.detach().double().flatten(1).square().sum(dim=1) for w in weights]
    return torch.stack(squares).sum(dim=0).sqrt()


def _row_mask(parameter: Tensor, kept: Tensor) -> Tensor:
    shape = (-1, *[1] * (parameter.ndim - 1))
    rows = kept.to(parameter.device).repeat_interleave(len(parameter) // len(kept))
    return rows.reshape(shape).expand_as(parameter).clone()


def _cut_outputs(layer: nn.Module, kept: Tensor) -> None:
    _replace(layer, "weight", kept, 0)
    _replace(layer, "bias", kept, 0)
    setattr(layer, _widths(layer)[0], layer.get_parameter("weight").shape[0])


def _cut_inputs(layer: nn.Module, kept: Tensor) -> None:
    _replace(layer, "weight", kept, 1)
    setattr(layer, _widths(layer)[1], layer.get_parameter("weight").shape[1])


def _cut_normalization(layer: nn.Module, kept: Tensor) -> None:
    for name in ("weight", "bias"):
        _replace(layer, name, kept, 0)
    for name in ("running_mean", "running_var"):
        if getattr(layer, name, None) is not None:
            setattr(layer, name, select(getattr(layer, name), kept, 0))
    if isinstance(layer, _BatchNorm):
        layer.num_features = layer.num_features // len(kept) * int(kept.sum())


def _replace(layer: nn.Module, name: str, kept: Tensor, dim: int) -> None:
    old = getattr(layer, name, None)
    if old is not None:
        new = select(old, kept, dim)
        if old.ndim == 4 and old.is_contiguous(memory_format=torch.channels_last):
            new = new.contiguous(memory_format=torch.channels_last)
        setattr(layer, name, nn.Parameter(new, requires_grad=old.requires_grad))


def _widths(layer: nn.Module) -> tuple[str, str]:
    return next(names for kind, names in _WIDTHS.items() if isinstance(layer, kind))
