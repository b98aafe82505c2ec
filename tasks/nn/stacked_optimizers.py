"""Optimizers of stacks: element-wise steps, every setting one number or one for each member.

A setting is a float, or a sequence of m floats.  `groups` gives parameters by the beginning of
their name settings of their own; ``lr_scale`` among them multiplies the rates of the schedule:

    StackedAdamW(stack, groups={"lattice": {"lr_scale": 0.02, "weight_decays": 0.0}})

A parameter without a gradient stands still, and so do its moments.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from tasks.nn.stacked import MemberStack, by_member
from tasks.records import InputError

Setting = float | Sequence[float]
"""One for all members, or one for each."""


class StackedOptimizer(torch.optim.Optimizer, ABC):
    """What the optimizers of stacks share; `_move` moves one parameter."""

    def __init__(
        self,
        stack: MemberStack,
        settings: Mapping[str, Any],
        groups: Mapping[str, Mapping[str, Any]] | None,
    ) -> None:
        self.count = len(stack.is_good)
        chosen = _chosen(stack, groups or {})
        for each in (settings, *chosen):
            _check_lengths(each, self.count)
        super().__init__(chosen, {"lr": 0.0, **settings})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Move all members."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad, group)

    @abstractmethod
    def _move(self, weight: Tensor, gradient: Tensor, group: Mapping[str, Any]) -> None: ...


class StackedSGD(StackedOptimizer):
    """Stochastic gradient descent with Nesterov's momentum.

    With gradient G, weight decay a, momentum b and rate r, all of a member,

        G <- G + a W,    M <- b M + G,    W <- W - r (G + b M).

    A group may have a ``largest_move``: moves of a member's parameter that are longer, in the
    Euclidean norm, are shortened to it.

    Parameters
    ----------
    stack : MemberStack
    momentum, weight_decays : float or sequence of float (m,)
    groups : mapping, optional
        Settings by the beginning of a parameter's name.
    """

    def __init__(
        self,
        stack: MemberStack,
        *,
        momentum: Setting = 0.9,
        weight_decays: Setting = 0.0,
        groups: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        settings = {"momentum": _listed(momentum), "weight_decays": _listed(weight_decays)}
        super().__init__(stack, settings, groups)

    def _move(self, weight: Tensor, gradient: Tensor, group: Mapping[str, Any]) -> None:
        if _is_used(group["weight_decays"]):
            gradient = gradient + _factor(group["weight_decays"], weight) * weight
        rate = _rate(group["lr"], weight)
        if not _is_used(group["momentum"]) and "largest_move" not in group:
            weight.addcmul_(gradient, rate, value=-1.0)
            return
        momentum = _factor(group["momentum"], weight)
        if "momentum" not in self.state[weight]:
            self.state[weight]["momentum"] = torch.zeros_like(weight)
        moment = self.state[weight]["momentum"].mul_(momentum).add_(gradient)
        move = (momentum * moment).add_(gradient)
        weight.sub_(_shortened(move.mul_(rate), group.get("largest_move")))


class StackedAdamW(StackedOptimizer):
    """AdamW (arXiv:1711.05101, algorithm 2) as `torch.optim.AdamW` does it, for every member.

    Parameters
    ----------
    stack : MemberStack
    betas : pair of (float or sequence of float (m,))
        Decays of the means of gradients and of their squares.
    eps, weight_decays : float or sequence of float (m,)
    groups : mapping, optional
        Settings by the beginning of a parameter's name.
    """

    def __init__(
        self,
        stack: MemberStack,
        *,
        betas: tuple[Setting, Setting] = (0.9, 0.999),
        eps: Setting = 1e-8,
        weight_decays: Setting = 0.01,
        groups: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        settings = {
            "first_beta": _listed(betas[0]),
            "second_beta": _listed(betas[1]),
            "eps": _listed(eps),
            "weight_decays": _listed(weight_decays),
        }
        super().__init__(stack, settings, groups)

    def _move(self, weight: Tensor, gradient: Tensor, group: Mapping[str, Any]) -> None:
        state = self.state[weight]
        if not state:
            state |= {"step": 0, "mean": torch.zeros_like(weight)}
            state["square"] = torch.zeros_like(weight)
        state["step"] += 1
        rate = _rate(group["lr"], weight)
        first, second = (_factor(group[f"{name}_beta"], weight) for name in ("first", "second"))
        if _is_used(group["weight_decays"]):
            weight.mul_(1 - rate * _factor(group["weight_decays"], weight))
        mean = state["mean"].lerp_(gradient, 1 - first)
        square = state["square"].mul_(second).add_((gradient * gradient).mul_(1 - second))
        spread = square.sqrt().div_((1 - second ** state["step"]) ** 0.5)
        spread.add_(_factor(group["eps"], weight))
        scale = rate / (1 - first ** state["step"])
        weight.sub_(torch.div(mean, spread, out=spread).mul_(scale))


def _chosen(stack: MemberStack, groups: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Groups of parameters: one for each beginning of a name, and one for all others."""
    left = dict(stack.members.named_parameters())
    chosen = []
    for start, settings in groups.items():
        own = {name: left.pop(name) for name in list(left) if name.startswith(start)}
        if not own:
            raise InputError(
                f"no parameter is left whose name begins with {start!r}; "
                f"left are {', '.join(left) or 'none'}"
            )
        chosen.append({"params": list(own.values()), **_plain(settings)})
    others = [{"params": list(left.values())}] if left else []
    return others + chosen


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _listed(value) for name, value in settings.items()}


def _listed(value: Setting) -> Any:
    """As checkpoints can keep it."""
    return float(value) if isinstance(value, int | float) else [float(each) for each in value]


def _check_lengths(settings: Mapping[str, Any], count: int) -> None:
    for name, value in settings.items():
        if name != "params" and isinstance(value, list) and len(value) != count:
            raise InputError(
                f"{name}: {len(value)} values for {count} members; give one number or {count}"
            )


def _shortened(move: Tensor, largest: Any) -> Tensor:
    if largest is None:
        return move
    norms = by_member(move.flatten(1).square().sum(dim=1).sqrt(), move)
    bounds = torch.as_tensor(_factor(largest, move)).to(move)
    return torch.where(norms > bounds, move * (bounds / norms), move)


def _rate(rates: Any, stack: Tensor) -> Tensor:
    """Rates that multiply a stack (m, ...); infinite if its type is too small for them."""
    vector = torch.as_tensor(rates, dtype=torch.float64)
    return by_member(vector, stack) if vector.ndim else vector.to(stack)


def _is_used(setting: Any) -> bool:
    return any(setting) if isinstance(setting, list) else bool(setting)


def _factor(setting: Any, stack: Tensor) -> Any:
    """A setting that multiplies a stack (m, ...)."""
    if isinstance(setting, float):
        return setting
    return by_member(torch.as_tensor(setting, dtype=torch.float64), stack)
