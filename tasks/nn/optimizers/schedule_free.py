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
from torch import Tensor
from torch.optim import Optimizer

from tasks.records import InputError


class ScheduleFree:
    """An optimizer whose parameters are averaged on the way.

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
        self.optimizer, self.beta = optimizer, beta
        self.steps = 0
        self.is_training = True
        self._parameters: list[Tensor] = [p for g in optimizer.param_groups for p in g["params"]]
        self._iterates = [p.detach().clone() for p in self._parameters]
        self._means = [p.detach().clone() for p in self._parameters]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Those of the optimizer, for schedulers and clipping."""
        return self.optimizer.param_groups

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
        self._load(self._iterates)
        try:
            self.optimizer.step()
        finally:
            for iterate, parameter in zip(self._iterates, self._parameters, strict=True):
                iterate.copy_(parameter)
            self._load_between()
        self.steps += 1
        torch._foreach_lerp_(self._means, self._iterates, 1 / self.steps)
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
        """Restore a state of the same parameters; they hold the points of gradients then."""
        self.optimizer.load_state_dict(state_dict["optimizer"])
        for own, saved in (
            (self._iterates, state_dict["iterates"]),
            (self._means, state_dict["means"]),
        ):
            for tensor, value in zip(own, saved, strict=True):
                tensor.copy_(value)
        self.steps = state_dict["steps"]
        self.train()

    @torch.no_grad()
    def _load(self, values: list[Tensor]) -> None:
        for parameter, value in zip(self._parameters, values, strict=True):
            parameter.copy_(value)

    def _load_between(self) -> None:
        self._load(list(torch._foreach_lerp(self._iterates, self._means, self.beta)))
