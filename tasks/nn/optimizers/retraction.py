"""Rates that follow the loss: shorter when it rises, a little longer when it falls.

After every epoch, with the means of its losses over the last 5 and the last 10 epochs:

    mean of 5 > mean of 10:   rate <- 0.7 rate
    mean of 5 < mean of 10:   rate <- 1.0638 rate             kept in [1e-5, 1]

The training loop sets the rate of every step from its schedule; what changes here is the factor
``lr_scale`` of the groups with regions, so that both work together.

References
----------
arXiv:2010.07243, section 4 (dynamic learning rate).
"""

from __future__ import annotations

import math
from typing import Any

from torch.optim import Optimizer

from tasks.records import InputError

SHORT, LONG = 5, 10
SHRINK, GROW = 0.7, 1.0638
LEAST, MOST = 1e-5, 1.0


class Retraction:
    """Changes the rates of the groups of `FrankWolfe` that have regions.

    Parameters
    ----------
    optimizer : Optimizer
    rate : float
        Largest rate of the schedule, in [1e-5, 1]; the bounds hold for it times the factor.
    """

    def __init__(self, optimizer: Optimizer, rate: float) -> None:
        if not LEAST <= rate <= MOST:
            raise InputError(f"the rate of a retraction lies in [{LEAST:g}, {MOST:g}], not {rate}")
        groups = [each for each in optimizer.param_groups if each.get("kind") == "frank_wolfe"]
        if not groups:
            raise InputError("a retraction needs a group with regions: no group has any")
        self.rate = rate
        self.losses: list[float] = []
        self._groups = groups
        for group in groups:  # from the beginning, so that states of all times have it
            group.setdefault("lr_scale", 1.0)

    def update(self, loss: float) -> float:
        """Take note of the mean loss of an epoch; the factor from now on.

        Raises
        ------
        InputError
            If the loss is not finite.
        """
        if not math.isfinite(loss):
            raise InputError(f"the loss of an epoch is finite, not {loss}")
        self.losses = [*self.losses, loss][-LONG:]
        scale = self._groups[0]["lr_scale"]
        if len(self.losses) == LONG:
            recent, all_ = sum(self.losses[-SHORT:]) / SHORT, sum(self.losses) / LONG
            if recent > all_:
                scale *= SHRINK
            elif recent < all_:
                scale *= GROW
            scale = min(max(scale, LEAST / self.rate), MOST / self.rate)
        for group in self._groups:
            group["lr_scale"] = scale
        return scale

    def state_dict(self) -> dict[str, Any]:
        """The losses; the factors are in the optimizer's own state."""
        return {"losses": list(self.losses)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the losses."""
        self.losses = list(state_dict["losses"])
