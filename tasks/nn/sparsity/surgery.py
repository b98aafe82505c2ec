"""Structured pruning: by masks, and as a really smaller model.

For a group of channels (`tasks.nn.sparsity.channels`) a boolean vector says which units are kept.
The masks of a unit that is dropped cover its filters in all producers, their biases, and weight and
bias of its normalizations.  Mostly its value then is 0 wherever it occurs; where it is not (behind
a sigmoid, say), masks cover the weights that it meets too.  So the model with these channels cut
out computes the same function, up to the order of sums.

The saliency of a unit is the Euclidean norm of its filters in all producers.

References
----------
Li et al., Pruning filters for efficient ConvNets, arXiv:1608.08710 (norms of filters).
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from tasks.nn.sparsity.channels import ChannelGroup, Slices
from tasks.nn.sparsity.choosing import largest
from tasks.nn.sparsity.cut_graphs import CutGraph, cut_graph
from tasks.nn.sparsity.cutting import Kept, cut_module, cuts_of, head_counts, is_same, with_heads
from tasks.nn.sparsity.masks import Masks, apply_masks
from tasks.nn.sparsity.walk import PRODUCER
from tasks.records import InputError

_log = logging.getLogger(__name__)


def channel_norms(model: nn.Module, groups: Sequence[ChannelGroup]) -> dict[str, Tensor]:
    """Saliencies (size,) of the units of each group, by its name."""
    return {group.name: _norms(model, group) for group in groups}


def largest_channels(norms: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Kept units: round(share * size) of the smallest norm are dropped, never all.

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
    """Masks, by parameter name, under which the model computes what is left without channels.

    Raises
    ------
    InputError
        If `kept` does not fit the groups or drops a whole group.
    """
    check_kept(groups, kept)
    parameters = dict(model.named_parameters())
    masks: dict[str, Tensor] = {}
    for group in groups:
        for each in group.slices if group.name in kept else ():
            if each.is_masked and each.name in parameters:
                weight = parameters[each.name]
                mask = masks.setdefault(each.name, torch.ones_like(weight, dtype=torch.bool))
                dropped = (~each.stay(kept[group.name])).nonzero()[:, 0].to(weight.device)
                mask.index_fill_(each.dim, dropped, False)
    return masks


def kept_channels(
    model: nn.Module, groups: Sequence[ChannelGroup], masks: Masks
) -> dict[str, Tensor]:
    """Which units masks keep: those of which a filter has a weight.

    Raises
    ------
    InputError
        If a filter is pruned in part only: such masks are not of channels.
    """
    kept = {group.name: _with_weights(group, masks) for group in groups}
    try:
        expected = channel_masks(model, groups, kept)
    except InputError as error:
        raise InputError(f"these masks leave nothing: {error}") from error
    for group in groups:
        for each in group.slices:
            name = each.name
            if each.is_masked and name in masks and _differ(masks[name], expected[name]):
                raise InputError(
                    f"filters of {group.name} are pruned in part; nothing can be cut out"
                )
    return kept


def without_channels(model: nn.Module, groups: Sequence[ChannelGroup], kept: Kept) -> nn.Module:
    """Copy of a model whose dropped channels are cut out of weights, biases and statistics.

    It is a copy of the module with smaller parameters where that computes the same as the masked
    model on an example.  Where sizes are written into `forward` it is a `CutGraph`.

    Raises
    ------
    InputError
        If `kept` does not fit the groups, drops a whole group, or neither way computes the same.
    """
    check_kept(groups, kept)
    if not groups:
        return copy.deepcopy(model)
    masked = copy.deepcopy(model)
    apply_masks(masked, channel_masks(model, groups, kept))
    for smaller in _candidates(model, groups, kept):
        if is_same(smaller, masked, groups[0].example):
            if isinstance(smaller, CutGraph):
                _log.warning(
                    "the forward pass of %s does not fit fewer channels: the smaller model is a "
                    "graph of its operations in evaluation mode",
                    type(model).__name__,
                )
            return smaller
    raise InputError(
        f"{type(model).__name__} cannot be cut: its smaller copy does not compute what the masked "
        "one does; sizes are written into its forward pass"
    )


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


def _candidates(
    model: nn.Module, groups: Sequence[ChannelGroup], kept: Kept
) -> Iterator[nn.Module]:
    """Smaller models, the most natural first."""
    cuts, heads = cuts_of(groups, kept), head_counts(groups, kept)
    yield cut_module(model, cuts)
    if heads:
        yield with_heads(cut_module(model, cuts), heads)
    yield cut_graph(model, cuts, groups[0].example)


def _norms(model: nn.Module, group: ChannelGroup) -> Tensor:
    parameters = dict(model.named_parameters())
    squares = [_squares(parameters[s.name], s, group.size) for s in _filters(group)]
    return torch.stack(squares).sum(dim=0).sqrt()


def _squares(weight: Tensor, filters: Slices, size: int) -> Tensor:
    """Squared norms by unit."""
    rows = weight.detach().double().movedim(filters.dim, 0).flatten(1).square().sum(dim=1)
    mine = (filters.units >= 0).nonzero()[:, 0].to(rows.device)
    units = filters.units.to(rows.device)[mine]
    return rows.new_zeros(size).index_add(0, units, rows[mine])


def _filters(group: ChannelGroup) -> list[Slices]:
    return [each for each in group.slices if each.role == PRODUCER]


def _with_weights(group: ChannelGroup, masks: Masks) -> Tensor:
    first = next((f for f in _filters(group) if f.name in masks), None)
    if first is None:
        return torch.ones(group.size, dtype=torch.bool)
    rows = masks[first.name].movedim(first.dim, 0).flatten(1).any(dim=1)
    mine = (first.units >= 0).nonzero()[:, 0].to(rows.device)
    count = torch.zeros(group.size, dtype=torch.int64, device=rows.device)
    return count.index_add(0, first.units.to(rows.device)[mine], rows[mine].long()) > 0


def _differ(mask: Tensor, other: Tensor) -> bool:
    return not torch.equal(mask, other.to(mask.device))
