"""One trained model, compressed to a ratio without retraining.

    filters     the filters of largest norm of every group of channels stay; the others are cut out
    low_rank    hidden layers become two of lower rank each, where that pays
    both        filters first, then ranks of what is left
    weights     single weights of largest magnitude stay, of all layers together or layer by layer

The ratio in (0, 1] is what stays: of filters, of ranks (or of their energy, or of multiplications),
of weights.  A compression is known by masks and ranks.  In force on the model they give weights of
the old shapes, which can be recalibrated and measured as any others; `smaller_model` makes of them
the model that is really smaller and computes the same.

References
----------
Zimmer, Spiegel, Pokutta, arXiv:2205.11921, section 3.  There filters are compared by their L1 norm;
the norm here is the Euclidean one of all weights that make a channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from tasks.nn.sparsity.channels import ChannelGroup, channel_groups
from tasks.nn.sparsity.choosing import global_masks, largest, masks_by_count
from tasks.nn.sparsity.cut_graphs import CutGraph
from tasks.nn.sparsity.cutting import Kept
from tasks.nn.sparsity.flops import count_multiplications
from tasks.nn.sparsity.graphs import Example
from tasks.nn.sparsity.low_rank import (
    Ranking,
    check_ratio,
    choose_ranks,
    decomposable,
    spectra_of,
    truncate,
    with_decomposed,
)
from tasks.nn.sparsity.masks import Masks, apply_masks, num_kept, prunable_weights
from tasks.nn.sparsity.surgery import (
    channel_norms,
    check_kept,
    without_channels,
)
from tasks.nn.sparsity.walk import COMPANION
from tasks.records import InputError

__all__ = [
    "COMPRESSIONS",
    "Compressing",
    "Compression",
    "Size",
    "compress",
    "plan_compression",
    "size_of",
    "smaller_model",
]

Kind = Literal["filters", "low_rank", "both", "weights"]
COMPRESSIONS: tuple[Kind, ...] = get_args(Kind)
VALUE_BYTES = 4
"""Of a weight in float32."""
BITS = 8


@dataclass(frozen=True)
class Compressing:
    """How models are compressed.

    Attributes
    ----------
    kind : {"filters", "low_rank", "both", "weights"}
    ratio : float
        What stays, in (0, 1].
    ranking : {"share", "energy", "budget"}
        How ranks are chosen (`tasks.nn.sparsity.low_rank`).
    by_layer : bool
        Whether every layer keeps the same share of its weights.
    """

    kind: Kind
    ratio: float
    ranking: Ranking = "share"
    by_layer: bool = False

    def __post_init__(self) -> None:
        if self.kind not in COMPRESSIONS:
            raise InputError(f"no compression {self.kind!r}; known are {', '.join(COMPRESSIONS)}")
        check_ratio(self.ratio)


@dataclass(frozen=True, eq=False)
class Compression:
    """What a model loses.

    Attributes
    ----------
    masks : Masks
        Of weights, biases and normalizations; a parameter without one stays whole.
    ranks : mapping of int
        By module name.
    energy : float
        Share of the squared singular values, layer by layer and then on average, that truncation
        leaves of what is not masked; 1 without ranks.
    kept : mapping of bool Tensor
        Channels that stay, by the name of their group; the masks leave out the others.
    """

    masks: Masks = field(default_factory=dict)
    ranks: Mapping[str, int] = field(default_factory=dict)
    energy: float = 1.0
    kept: Kept = field(default_factory=dict)


@dataclass(frozen=True)
class Size:
    """What a model takes.

    Attributes
    ----------
    parameters : int
        All that are left.
    multiplications : int
        For one example; of single weights in theory.
    num_bytes : int
        Of parameters and statistics in float32; single weights with one bit for each place.
    """

    parameters: int
    multiplications: int
    num_bytes: int


def plan_compression(model: nn.Module, how: Compressing, shape: Example) -> Compression:
    """What to take from a model; it is not changed.

    Parameters
    ----------
    shape : tuple of int, or Tensor
        Of one example without the batch, or a batch of examples.

    Raises
    ------
    InputError
        If the model has nothing to compress in this way, or a layer would be left empty.
    """
    if how.kind == "weights":
        return Compression(_weight_masks(model, how))
    masks: dict[str, Tensor] = {}
    kept: dict[str, Tensor] = {}
    if how.kind in ("filters", "both"):
        groups = channel_groups(model, shape)
        norms = channel_norms(model, groups)
        kept = {n: largest(v, max(round(how.ratio * len(v)), 1)) for n, v in norms.items()}
        masks = _cut_masks(model, groups, kept)
    if how.kind == "filters":
        return Compression(masks, kept=kept)
    layers = decomposable(model, shape)
    if not layers:
        raise InputError(
            f"{type(model).__name__} has no layer to compress: none but the last is a linear layer "
            "or convolution of PyTorch with a weight of its own"
        )
    spectra = spectra_of(model, layers, shape, masks)
    ranks = choose_ranks(spectra, how.ratio, how.ranking)
    left = [s.energy(ranks.get(name, s.full)) for name, s in spectra.items()]
    return Compression(masks, ranks, sum(left) / len(left), kept)


@torch.no_grad()
def compress(model: nn.Module, compression: Compression) -> None:
    """Put a compression in force, in place: what is masked is 0, what has a rank has it."""
    apply_masks(model, compression.masks)
    truncate(model, compression.ranks)
    # Truncation of a weight with rows of zeros leaves rounding errors there.
    apply_masks(model, compression.masks)


def smaller_model(model: nn.Module, compression: Compression, shape: Example) -> nn.Module:
    """The smaller module that computes what a model does on which this compression is in force.

    Raises
    ------
    InputError
        If it cannot be made, or does not compute the same.
    """
    if not compression.kept:
        return with_decomposed(model, compression.ranks, shape)
    cut = without_channels(model, channel_groups(model, shape), compression.kept)
    if not isinstance(cut, CutGraph):
        return with_decomposed(cut, compression.ranks, shape)
    # The layers of a graph are not modules: they become two before they are cut.
    return _cut_afterwards(with_decomposed(model, compression.ranks, shape), compression, shape)


def _cut_afterwards(smaller: nn.Module, compression: Compression, shape: Example) -> nn.Module:
    """A model of low rank without channels, which are named as they were before it had low rank."""
    names = {f"{name}.1" if name else "1": name for name in compression.ranks}
    groups = channel_groups(smaller, shape)
    found = {_name_before(group, names): group.name for group in groups}
    if lost := compression.kept.keys() - found.keys():
        raise InputError(f"the channels of {min(lost)} are not found where layers became two")
    known = {found[old]: stay for old, stay in compression.kept.items()}
    return without_channels(smaller, groups, known)


def size_of(model: nn.Module, compression: Compression, shape: Example) -> Size:
    """What the compressed model takes; `model` is the whole one, compressed or not."""
    if compression.kept or compression.ranks:
        return _size(smaller_model(model, compression, shape), {}, shape)
    return _size(model, compression.masks, shape)


def _size(model: nn.Module, masks: Masks, shape: Example) -> Size:
    weights = prunable_weights(model)
    of_weights = {name: masks[name] for name in weights if name in masks}
    places = sum(mask.numel() for mask in of_weights.values())
    gone = places - num_kept(of_weights)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    statistics = sum(buffer.numel() for buffer in model.buffers() if buffer.is_floating_point())
    multiplications = count_multiplications(model, shape, of_weights).sparse
    num_bytes = VALUE_BYTES * (parameters + statistics - gone) + (-(-places // BITS) if gone else 0)
    return Size(parameters - gone, multiplications, num_bytes)


def _weight_masks(model: nn.Module, how: Compressing) -> dict[str, Tensor]:
    weights = {name: w.detach() for name, w in prunable_weights(model).items()}
    if not weights:
        raise InputError(f"{type(model).__name__} has no layer to compress")
    scores = {name: weight.abs() for name, weight in weights.items()}
    if how.by_layer:
        counts = {n: max(round(how.ratio * w.numel()), 1) for n, w in weights.items()}
        return masks_by_count(scores, counts)
    kept = max(round(how.ratio * sum(w.numel() for w in weights.values())), 1)
    try:
        return global_masks(scores, kept)
    except InputError as error:
        raise InputError(
            f"ratio {how.ratio:g} of all weights leaves a layer without any: take a larger ratio, "
            "or by_layer"
        ) from error


def _cut_masks(model: nn.Module, groups: tuple[ChannelGroup, ...], kept: Kept) -> dict[str, Tensor]:
    """Masks that leave out channels wherever they occur, also where they are read."""
    check_kept(groups, kept)
    parameters = dict(model.named_parameters())
    masks: dict[str, Tensor] = {}
    for group in groups:
        for each in group.slices:
            if each.name not in parameters or (each.role == COMPANION and not each.is_masked):
                continue
            weight = parameters[each.name]
            mask = masks.setdefault(each.name, torch.ones_like(weight, dtype=torch.bool))
            dropped = (~each.stay(kept[group.name])).nonzero()[:, 0].to(weight.device)
            mask.index_fill_(each.dim, dropped, False)
    return masks


def _name_before(group: ChannelGroup, names: Mapping[str, str]) -> str:
    """What a group was called before its layers became two."""
    first = names.get(group.producers[0], group.producers[0])
    return f"{first}:{group.part}" if group.part else first
