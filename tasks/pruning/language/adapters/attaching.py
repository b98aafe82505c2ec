"""Adapters in a model: put in place of its layers, merged, and taken out again."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from tasks.pruning.language.adapters.low_rank import LowRank, LowRankEmbedding
from tasks.pruning.language.layers.layouts import is_transposed
from tasks.records import InputError

__all__ = ["Attached", "attach"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Attached:
    """Adapters of one kind in a model.

    Attributes
    ----------
    model : torch.nn.Module
    kind : str
    layers : mapping of LowRank
        By the name of the weight.
    plain : mapping of torch.nn.Module
        What stood there before, by the name of the module.
    """

    model: nn.Module
    kind: str
    layers: Mapping[str, LowRank]
    plain: Mapping[str, nn.Module] = field(repr=False)

    @property
    def keeps_zeros(self) -> bool:
        """Whether a merge keeps the zeros of every layer that has a mask."""
        has_masks = any(layer.mask is not None for layer in self.layers.values())
        return self.kind != "lora" or not has_masks

    def trained(self) -> dict[str, nn.Parameter]:
        """A and B of every layer, by the name of the weight with ``:A`` and ``:B``."""
        return {
            f"{name}:{letter}": getattr(layer, letter)
            for name, layer in self.layers.items()
            for letter in ("A", "B")
        }

    def merged(self) -> dict[str, Tensor]:
        """Weights with the adapters in them, in their own type, by name."""
        if not self.keeps_zeros:
            logger.warning("merging lora fills the zeros of the masks; masklora keeps them")
        return {name: layer.merged() for name, layer in self.layers.items()}

    @contextmanager
    def as_merged(self) -> Iterator[None]:
        """Let the model compute with merged weights for a while."""
        for layer in self.layers.values():
            layer.is_merged = True
        try:
            yield
        finally:
            for layer in self.layers.values():
                layer.is_merged = False

    def detach(self) -> None:
        """Restore the plain layers, with merged weights in them."""
        for name, weight in self.merged().items():
            with torch.no_grad():
                self.layers[name].weight.copy_(weight)
        self.discard()

    def discard(self) -> None:
        """Restore the plain layers, without what was trained."""
        for name, module in self.plain.items():
            _put(self.model, name, module)


def attach(
    model: nn.Module,
    masks: Mapping[str, Tensor | None],
    kind: str,
    *,
    rank: int,
    alpha: float,
    generator: torch.Generator,
) -> Attached:
    """Put adapters in place of layers; outside of masks weights are set to zero.

    Parameters
    ----------
    masks : mapping of bool Tensor or None
        By the names of weights, of their stored shapes.  None is a layer that is not pruned.
    kind : one of `ADAPTERS`
    rank : int
        At most the smaller side of every layer.
    alpha : float
        The product counts alpha / rank times.
    generator : torch.Generator
        On the CPU; draws A, layer after layer.

    Raises
    ------
    InputError
        For a name that is not a layer's weight, a mask or a rank that does not fit, or a weight
        that is shared otherwise than between a head and its embedding; then nothing has changed.
    """
    modules = {name: _layer(model, name) for name in masks}
    shared = {name: _sharing(model, name, modules[name], kind) for name in masks}
    layers = {
        name: LowRank(
            modules[name], kind, mask, rank=rank, alpha=alpha, generator=generator, name=name
        )
        for name, mask in masks.items()
    }
    plain = {}
    for name, layer in layers.items():
        layer.freeze()
        replaced: dict[str, nn.Module] = {name.removesuffix(".weight"): layer}
        for place, module in shared[name].items():
            replaced[place] = LowRankEmbedding(module, layer)
        for place, new in replaced.items():
            plain[place] = model.get_submodule(place)
            _put(model, place, new)
    return Attached(model, kind, layers, plain)


def _layer(model: nn.Module, name: str) -> nn.Module:
    modules = dict(model.named_modules())
    module = modules.get(name.removesuffix(".weight")) if name.endswith(".weight") else None
    if module is None or is_transposed(module) is None:
        raise InputError(
            f"{name} cannot have an adapter: give the names of the weights of nn.Linear or Conv1D "
            "layers"
        )
    return module


def _sharing(model: nn.Module, name: str, layer: nn.Module, kind: str) -> dict[str, nn.Embedding]:
    """Embeddings that use the weight of a layer too, by name."""
    others = {
        place: module
        for place, module in model.named_modules()
        if module is not layer and any(p is layer.weight for p in module.parameters(recurse=False))
    }
    for place, module in others.items():
        if kind != "lora" or type(module) is not nn.Embedding:
            raise InputError(
                f"{name} is also the weight of {place}: only lora on a head that is tied to a "
                "plain embedding can change both; leave this layer out"
            )
    return {place: module for place, module in others.items() if isinstance(module, nn.Embedding)}


def _put(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, module)
