"""Schedule-free averaging around any optimizer: no schedule has to know when training ends.

With z the iterates of the optimizer, x their mean and y where gradients are taken:

    y <- (1 - beta) z + beta x,    z <- step of the optimizer from z with the gradient at y,
    x <- (1 - 1/t) x + (1/t) z.

All three are convex combinations of iterates, so that with `FrankWolfe` they stay in its regions
without a projection. Parameters hold y while training and x after `eval`.

References
----------
Defazio et al., The Road Less Scheduled, arXiv:2405.15682, equations 2 to 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tasks.nn.sparsity.masks import held_mask
from tasks.records import InputError

PYTORCHS = ("defaults", "state", "param_groups")
OURS = ("optimizer", "beta", "steps", "is_training", "_parameters", "_iterates", "_means")
"""Attributes that copies have."""


class ScheduleFree(Optimizer):
    """An optimizer whose parameters are averaged on the way; masks that are held stay in force.

    Parameters
    ----------
    optimizer : Optimizer
        New, of all parameters that are to be averaged.
    beta : float
        In [0, 1): how near to the mean gradients are taken.
    """

    def __init__(self, optimizer: Optimizer, beta: float = 0.9) -> None:
        if not 0 <= beta < 1:
            raise InputError(f"beta must lie in [0, 1), not {beta}")
        groups = optimizer.param_groups
        self._parameters: list[nn.Parameter] = [p for group in groups for p in group["params"]]
        super().__init__(self._parameters, {})
        self.optimizer, self.beta = optimizer, beta
        self.steps = 0
        self.is_training = True
        self._iterates: list[Tensor] = []
        self._means: list[Tensor] = []
        self._share()

    def _share(self) -> None:
        """Groups and moments are those of the optimizer: for schedulers, clipping and masks."""
        self.param_groups, self.state = self.optimizer.param_groups, self.optimizer.state
        self.defaults = self.optimizer.defaults

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what a scheduler adds, which is of one object."""
        return {name: self.__dict__[name] for name in (*PYTORCHS, *OURS)}

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Only while it is built.

        Raises
        ------
        InputError
            Afterwards: the means of new weights would be those of no steps.
        """
        if hasattr(self, "optimizer"):
            raise InputError("give ScheduleFree an optimizer that has all parameter groups")
        super().add_param_group(param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        self.optimizer.zero_grad(set_to_none=set_to_none)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move the iterates with the gradients at the parameters, then all means.

        Raises
        ------
        InputError
            After `eval`, when the parameters hold means.
        """
        if not self.is_training:
            raise InputError("a step after eval() would use gradients at the means: call train()")
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if not self.steps:
            # Weights may have been loaded, or brought inside, since this was built.
            self._iterates = [p.detach().clone() for p in self._parameters]
            self._means = [p.detach().to(_precise(p), copy=True) for p in self._parameters]
        self._load(self._iterates)
        try:
            self.optimizer.step()
        finally:
            for iterate, parameter in zip(self._iterates, self._parameters, strict=True):
                iterate.copy_(parameter)
            self._load_between()
        self.steps += 1
        for mean, iterate in zip(self._means, self._iterates, strict=True):
            mean.lerp_(iterate.to(mean.dtype), 1 / self.steps)
        self._load_between()
        return loss

    def train(self) -> None:
        """Parameters hold the points where gradients are taken."""
        self._load_between()
        self.is_training = True

    def eval(self) -> None:
        """Parameters hold the means, which are to be evaluated and kept."""
        self._load(self._means)
        self.is_training = False

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed training needs beside the parameters."""
        own = {"steps": self.steps, "iterates": self._iterates, "means": self._means}
        return {"optimizer": self.optimizer.state_dict(), **own}

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a state of the same parameters; they hold the points of gradients then.

        Raises
        ------
        InputError
            For the state of other weights; then nothing was changed.
        """
        for name in ("iterates", "means"):
            shapes = [tuple(value.shape) for value in state_dict[name]]
            own = [tuple(p.shape) for p in self._parameters] if state_dict["steps"] else []
            if shapes != own:
                raise InputError(f"the {name} of the state are of other weights")
        self.optimizer.load_state_dict(state_dict["optimizer"])
        self._share()
        self.steps = state_dict["steps"]
        pairs = zip(self._parameters, state_dict["iterates"], strict=bool(self.steps))
        self._iterates = [value.detach().clone().to(p) for p, value in pairs]
        pairs = zip(self._parameters, state_dict["means"], strict=bool(self.steps))
        self._means = [value.detach().clone().to(p.device, _precise(p)) for p, value in pairs]
        self.train()

    @torch.no_grad()
    def _load(self, values: list[Tensor]) -> None:
        """Into the parameters, where masks are in force: values remember weights pruned since."""
        for parameter, value in zip(self._parameters, values, strict=bool(self.steps)):
            mask = held_mask(parameter)
            if mask is not None:
                value.mul_(mask)
            parameter.copy_(value)

    @torch.no_grad()
    def _load_between(self) -> None:
        pairs = zip(self._iterates, self._means, strict=True)
        self._load([mean.lerp(iterate.to(mean.dtype), 1 - self.beta) for iterate, mean in pairs])


def _precise(parameter: Tensor) -> torch.dtype:
    """Of means, to which late steps add little."""
    is_half = parameter.dtype in (torch.bfloat16, torch.float16)
    return torch.float32 if is_half else parameter.dtype
