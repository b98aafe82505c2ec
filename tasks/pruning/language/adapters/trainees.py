"""What of a model is trained, for a while: everything else is frozen, and afterwards restored.

Dropout is off unless it is asked for: the model stays in evaluation mode, so that what a training
does to it does not depend on settings of dropout that its files happen to contain (OPT and GPT-2
have 0.1, Llama 0).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tasks.nn import check_fit
from tasks.pruning.language.adapters.attaching import Attached
from tasks.pruning.language.models.subsets import aliases
from tasks.records import InputError

__all__ = ["Trainable", "Trainees", "recomputing", "select"]

_HALF = (torch.bfloat16, torch.float16)


class Trainable(nn.Module):
    """A model of which some parameters are trained; its state is those alone.

    So checkpoints of a training stay as small as what it trains.

    Attributes
    ----------
    model : torch.nn.Module
    trained : mapping of Parameter
    dropout : bool
        Whether training is done in training mode.
    """

    def __init__(
        self, model: nn.Module, trained: Mapping[str, nn.Parameter], *, dropout: bool = False
    ) -> None:
        super().__init__()
        self.model, self.trained, self.dropout = model, dict(trained), dropout

    def train(self, mode: bool = True) -> Trainable:
        """Training mode, which reaches the model only if dropout is asked for."""
        self.training = mode
        self.model.train(mode and self.dropout)
        return self

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Outputs of the model."""
        return self.model(*args, **kwargs)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """What is trained, by name; arguments of the usual method are not looked at."""
        return {name: parameter.detach() for name, parameter in self.trained.items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Set what is trained, in place.

        Raises
        ------
        InputError
            If names or shapes differ.
        """
        check_fit(state_dict, self.state_dict(), "the state")
        with torch.no_grad():
            for name, parameter in self.trained.items():
                parameter.copy_(state_dict[name])

    @property
    def num_trained(self) -> int:
        """Numbers that are trained."""
        return sum(parameter.numel() for parameter in self.trained.values())


@dataclass(frozen=True, eq=False)
class Trainees:
    """Parameters of a model that are trained until `finish`.

    Attributes
    ----------
    trainable : Trainable
    attached : sequence of Attached
    starts : mapping of Tensor
        What the model's own parameters were, by name, in their own types, on the CPU.
    flags : mapping of bool
        Which parameters were to be trained before.
    """

    trainable: Trainable
    attached: tuple[Attached, ...]
    starts: Mapping[str, Tensor] = field(repr=False)
    flags: Mapping[str, bool] = field(repr=False)

    @property
    def needs_autocast(self) -> bool:
        """Whether parameters that are float32 now meet weights in half precision."""
        return any(start.dtype in _HALF for start in self.starts.values())

    def finish(self, *, keep: bool) -> dict[str, Tensor]:
        """Merge what was trained, or restore what was there; then the model is plain again.

        Returns
        -------
        dict of Tensor
            Copies of the parameters that were to change, in their own types, under all names that
            they have; what was trained is rounded once.
        """
        model, names = self.trainable.model, [*self.starts]
        for each in self.attached:
            names += each.layers
            if keep:
                each.detach()
            else:
                each.discard()
        parameters = dict(model.named_parameters(remove_duplicate=False))
        for name, start in self.starts.items():
            value = parameters[name].data.to(start.dtype) if keep else start
            parameters[name].data = value.to(parameters[name].device)
            parameters[name].grad = None
        for name, flag in self.flags.items():
            parameters[name].requires_grad_(flag)
        groups = aliases(model)
        return {alias: parameters[n].detach().clone() for n in names for alias in groups[n]}


def select(
    model: nn.Module,
    names: Iterable[str],
    attached: Iterable[Attached] = (),
    *,
    flags: Mapping[str, bool],
    dropout: bool = False,
) -> Trainees:
    """Train these parameters and adapters, in float32, and nothing else.

    Parameters
    ----------
    flags : mapping of bool
        `training_flags` of the model before anything was attached.

    Raises
    ------
    InputError
        If nothing would be trained.
    """
    parameters, attached = dict(model.named_parameters()), tuple(attached)
    trained, starts = {name: parameters[name] for name in names}, {}
    for parameter in parameters.values():
        parameter.requires_grad_(False)
    for name, parameter in trained.items():
        starts[name] = parameter.detach().to("cpu", copy=True)
        parameter.data = parameter.data.to(torch.promote_types(parameter.dtype, torch.float32))
    for each in attached:
        trained |= each.trained()
    if not trained:
        raise InputError("nothing is to be trained; name parameters, or layers for adapters")
    for parameter in trained.values():
        parameter.requires_grad_(True)
    return Trainees(Trainable(model, trained, dropout=dropout), attached, starts, flags)


def training_flags(model: nn.Module) -> dict[str, bool]:
    """Which parameters are to be trained, by name."""
    return {name: parameter.requires_grad for name, parameter in model.named_parameters()}


@contextmanager
def recomputing(model: nn.Module, *, is_on: bool) -> Iterator[None]:
    """Keep only the inputs of decoder blocks for the backward pass, for a while.

    Blocks are the longest list of modules of one class.  This is not left to the model: those of
    transformers recompute in training mode alone, in which dropout is on.
    """
    lists = [m for m in model.modules() if isinstance(m, nn.ModuleList) and _is_uniform(m)]
    blocks = list(max(lists, key=len, default=())) if is_on else []
    for block in blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
    try:
        yield
    finally:
        for block in blocks:
            del block.forward


@contextmanager
def without_cache(model: nn.Module) -> Iterator[None]:
    """Do not collect keys and values for later tokens, for a while."""
    config: Any = getattr(model, "config", None)
    if not getattr(config, "use_cache", False):
        yield
        return
    config.use_cache = False
    try:
        yield
    finally:
        config.use_cache = True


def _is_uniform(modules: nn.ModuleList) -> bool:
    return len({type(module) for module in modules}) == 1
