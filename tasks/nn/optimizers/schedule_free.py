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
        self._parameters: list[nn.Parameter] = [
            p for g in optimizer.param_groups for p in g["params"]
        ]
        super().__init__(self._parameters, {})
        self.optimizer, self.beta = optimizer, beta
        # Those of the optimizer, for schedulers, clipping and loops that set rates.
        self.param_groups, self.defaults = optimizer.param_groups, optimizer.defaults
        self.steps = 0
        self.is_training = True
        self._iterates = [p.detach().clone() for p in self._parameters]
        self._means = [p.detach().clone() for p in self._parameters]

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
        self._load(self._iterates)
        try:
            self.optimizer.step()
        finally:
            for iterate, parameter in zip(self._iterates, self._parameters, strict=True):
                iterate.copy_(parameter)
            self._load_between()
        self.steps += 1
        torch._foreach_lerp_(self._means, self._iterates, 1 / self.steps)
        self._keep_masks()
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
        self.param_groups = self.optimizer.param_groups
        for own, saved in (
            (self._iterates, state_dict["iterates"]),
            (self._means, state_dict["means"]),
        ):
            for tensor, value in zip(own, saved, strict=True):
                tensor.copy_(value)
        self.steps = state_dict["steps"]
        self.train()

    def _keep_masks(self) -> None:
        """Means remember weights that have been pruned since."""
        for parameter, *own in zip(self._parameters, self._iterates, self._means, strict=True):
            mask = held_mask(parameter)
            if mask is not None:
                for values in own:
                    values.mul_(mask)

    @torch.no_grad()
    def _load(self, values: list[Tensor]) -> None:
        for parameter, value in zip(self._parameters, values, strict=True):
            parameter.copy_(value)

    def _load_between(self) -> None:
        self._load(list(torch._foreach_lerp(self._iterates, self._means, self.beta)))
