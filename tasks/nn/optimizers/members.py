"""A weight that is about to move, with all that its step needs."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tasks.nn.optimizers.routing import Constrained


@dataclass(frozen=True)
class Member:
    """A weight that is about to move.

    Attributes
    ----------
    entry : Constrained
    points : tuple of int
        Shape of its points.
    gradient : Tensor
    state : mapping
        ``step``, and ``momentum``, ``start`` and ``precise`` where there are such.
    mask : Tensor or None
        In force on the weight.
    owner : int or None
        Rank of the process that moves it for all, if several share the work.
    """

    entry: Constrained
    points: tuple[int, ...]
    gradient: Tensor
    state: MutableMapping[str, Any]
    mask: Tensor | None
    owner: int | None = None

    def weight(self) -> Tensor:
        """The weight; in half precision the float32 numbers that it is rounded from.

        Entries that somebody else has changed since are taken as they are.
        """
        weight = self.entry.weight.detach()
        precise = self.state.get("precise")
        if precise is None:
            return weight
        return torch.where(precise.to(weight.dtype) == weight, precise, weight.float())

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for weights that can be stacked."""
        weight, region = self.entry.weight, self.entry.region
        settings = {**region.as_data(), "radius": 1.0}
        kind = (*sorted(settings.items()), self.points, weight.dtype, weight.device)
        # One by one on the CPU: stacks would be copies, and launches cost nothing there.
        alone = id(weight) if weight.device.type == "cpu" and len(self.points) > 1 else 0
        return (*kind, self.state["step"] == 0, alone, self.owner)
