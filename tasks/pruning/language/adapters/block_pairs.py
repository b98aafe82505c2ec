"""A pruned block beside its dense twin: how far units of the one are from those of the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from tasks.pruning.language.adapters.units import (
    BlockCall,
    Given,
    Granularity,
    Unit,
    given_inputs,
    unit_output,
)
from tasks.pruning.language.methods import ADAPTERS
from tasks.records import InputError

__all__ = ["BlockPair", "Calls", "Reconstruction"]

Calls = Mapping[str, Any] | Sequence[Mapping[str, Any] | BlockCall]
"""Keywords of all batches, or for each its own keywords or call."""


@dataclass(frozen=True)
class Reconstruction:
    """Settings of a reconstruction.

    Attributes
    ----------
    granularity : Granularity
        "parts" are attention and MLP.
    kind : str
        One of `ADAPTERS`, or "full": all kept weights.
    num_steps : int
        Per unit, each on one batch of inputs.
    rate : float
        Largest learning rate.  The default is the best of 0.003, 0.01 and 0.03 for MaskLoRA, by
        held-out inputs, on block 4 of SmolLM2-135M at 50 % with 4,096 tokens and 60 steps a unit;
        all kept weights did best with 0.003, of 0.001 and that.
    rank, alpha : int, float
        Of adapters.
    loss : str
        "mse": mean square over tokens and features; "cosine": 1 - cosine, mean over tokens.
    inputs : str
        "sparse" or "dense".
    weight_decay, warm_up : float
    clip : float or None
        Largest norm of the gradient of the loss divided by that before training.
    evaluations : int
        How often the loss over all inputs is looked at.
    mixed_precision : bool
        Everything that parts compute is computed in bfloat16, for targets and losses too.
    seed : int
    """

    granularity: Granularity = "parts"
    kind: str = "masklora"
    num_steps: int = 200
    rate: float = 1e-2
    rank: int = 16
    alpha: float = 32.0
    loss: Literal["mse", "cosine"] = "mse"
    inputs: Literal["sparse", "dense"] = "sparse"
    weight_decay: float = 0.0
    warm_up: float = 0.1
    clip: float | None = None
    evaluations: int = 2
    mixed_precision: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        allowed = {
            "kind": (*ADAPTERS[1:], "full"),
            "loss": ("mse", "cosine"),
            "inputs": ("sparse", "dense"),
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise InputError(
                    f"{name} of a reconstruction is {getattr(self, name)!r}; allowed are "
                    f"{', '.join(values)}"
                )


@dataclass(frozen=True, eq=False)
class BlockPair:
    """A pruned block, its dense twin, and their inputs."""

    dense_block: nn.Module
    block: nn.Module
    masks: Mapping[str, Tensor]
    starts: Mapping[str, Tensor]
    hidden: Sequence[Tensor]
    calls: Calls
    how: Reconstruction

    def run(self, block: nn.Module, number: int) -> Callable[[], Any]:
        """A call of a block on a batch."""
        call = self.calls if isinstance(self.calls, Mapping) else self.calls[number]
        if isinstance(call, Mapping):
            return partial(block, self.hidden[number], **call)
        return partial(call.output, block, self.hidden[number])

    @torch.no_grad()
    def given(self, unit: Unit, number: int) -> Given:
        """Inputs of a unit in the model that they are to come from."""
        source = self.dense_block if self.how.inputs == "dense" else self.block
        return given_inputs(source, unit, self.run(source, number))

    @torch.no_grad()
    def target(self, unit: Unit, number: int, given: Given | None = None) -> Tensor:
        """What the dense unit computes."""
        given = given or self.given(unit, number)
        return unit_output(self.dense_block, unit, self.run(self.dense_block, number), given)

    def arithmetic(self, *, needs_autocast: bool = False) -> torch.autocast:
        """What is computed outside of steps is computed as in them; weights change in between."""
        mixed = self.how.mixed_precision or needs_autocast
        device = self.hidden[0].device.type
        return torch.autocast(device, torch.bfloat16, enabled=mixed, cache_enabled=False)

    def targets(self, unit: Unit) -> list[Tensor] | None:
        """Of all batches; None if they are computed as they are needed: of a single matrix."""
        is_matrix = unit.is_single and unit.weights == (f"{unit.modules[0]}.weight",)
        if is_matrix:
            return None
        with self.arithmetic():
            return [self.target(unit, number) for number in range(len(self.hidden))]

    def error(
        self, unit: Unit, number: int, targets: Sequence[Tensor] | None
    ) -> tuple[Tensor, int]:
        """Sum of the losses of a batch and how many they are."""
        given = None
        if targets is None or self.how.inputs == "dense":
            given = self.given(unit, number)
        target = self.target(unit, number, given) if targets is None else targets[number]
        output = unit_output(self.block, unit, self.run(self.block, number), given).float()
        if self.how.loss == "cosine":
            angles = 1 - cosine_similarity(output, target.float(), dim=-1)
            return angles.sum(), angles.numel()
        return (output - target.float()).square().sum(), output.numel()

    @torch.no_grad()
    def mean_error(
        self,
        unit: Unit,
        targets: Sequence[Tensor] | None = None,
        *,
        needs_autocast: bool = False,
    ) -> float:
        """Over all batches, summed in double precision."""
        with self.arithmetic(needs_autocast=needs_autocast):
            found = [self.error(unit, number, targets) for number in range(len(self.hidden))]
        return sum(float(total) for total, _ in found) / sum(count for _, count in found)

    @torch.no_grad()
    def scale(self, unit: Unit, targets: Sequence[Tensor] | None = None) -> float:
        """What the loss of a unit is relative to: the mean square of its targets, or 1."""
        if self.how.loss == "cosine":
            return 1.0
        total, count = 0.0, 0
        for number in range(len(self.hidden)):
            with self.arithmetic():
                found = self.target(unit, number) if targets is None else targets[number]
            total += float(found.float().square().sum())
            count += found.numel()
        return total / count

    @torch.no_grad()
    def restore(self, names: Iterable[str]) -> None:
        """Let weights be as they were given."""
        for name in names:
            self.block.get_parameter(name).copy_(self.starts[name])
