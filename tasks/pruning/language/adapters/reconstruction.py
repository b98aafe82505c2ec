"""Reconstruction of a pruned model block by block: each unit learns what its dense twin computes.

For a unit f with dense weights V, pruned weights W with masks M, and inputs X,

    minimise   mean |f_W(X) - f_V(X)|^2   (or the mean of 1 - cosine)   over W = M * W,

through adapters or all kept weights, by AdamW with a falling rate.  X are the unit's inputs in the
pruned model, so that a unit makes up for what was lost before it ("sparse"), or in the dense one.
Units of a block are treated in the order of execution, and each is merged before the next one.

Nothing outside of a unit has a gradient: its inputs carry none, everything else is frozen, and the
run ends behind the unit.  Dropout is off.  The best iterate is kept, by the loss of merged weights
over all inputs, the start among them.  If the loss of the whole block is higher in the end, the
last units are put back one after another until it is not.

Memory: the inputs of the block and the outputs of a unit (of a single matrix only a batch of them),
the dense block, the pruned one and a copy of its pruned weights.

References
----------
Zimmer et al., PERP, arXiv:2312.15230, section 3 (layer-wise reconstruction with MaskLoRA).
Wagner et al., A free lunch in LLM compression, arXiv:2510.14444 (granularity; attention | MLP).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from tasks.nn import FitPlan, StepReport, TrainingState, evaluating, fit, seeded_generator
from tasks.nn.sparsity import apply_masks, hold_masks
from tasks.pruning.language.adapters.attaching import attach
from tasks.pruning.language.adapters.methods import ADAPTERS
from tasks.pruning.language.adapters.retraining import adamw, falling_rate
from tasks.pruning.language.adapters.trainees import Trainees, select, training_flags
from tasks.pruning.language.adapters.units import (
    BlockCall,
    Given,
    Granularity,
    Parts,
    Unit,
    given_inputs,
    unit_output,
    units_of,
)
from tasks.records import InputError, derive_seed

__all__ = ["ReconstructedBlock", "ReconstructedUnit", "Reconstruction", "reconstruct_block"]

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
    mixed_precision : bool
        Training steps in bfloat16; losses that are compared are not.
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
    mixed_precision: bool = False
    evaluations: int = 2
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


@dataclass(frozen=True)
class ReconstructedUnit:
    """Loss of a unit over all inputs, with the weights that it was given and with the best ones.

    Attributes
    ----------
    name : str
    loss_before, loss_after : float
    is_reverted : bool
        Whether the weights are as they were, since better ones made the block worse as a whole.
    """

    name: str
    loss_before: float
    loss_after: float
    is_reverted: bool = False


@dataclass(frozen=True, eq=False)
class ReconstructedBlock:
    """What a reconstruction gave.

    Attributes
    ----------
    changed : dict of Tensor
        Weights that have masks, in their own types; they share memory with the block.
    loss_before, loss_after : float
        Of the outputs of the block, over all its inputs.
    units : tuple of ReconstructedUnit
    """

    changed: dict[str, Tensor]
    loss_before: float
    loss_after: float
    units: tuple[ReconstructedUnit, ...]

    @property
    def is_reverted(self) -> bool:
        """Whether a unit is as it was, since better weights made the block worse as a whole."""
        return any(unit.is_reverted for unit in self.units)


def reconstruct_block(
    dense_block: nn.Module,
    block: nn.Module,
    masks: Mapping[str, Tensor],
    hidden: Sequence[Tensor],
    calls: Calls,
    parts: Parts,
    how: Reconstruction,
) -> ReconstructedBlock:
    """Change the weights of a block, in place, so that its outputs come near the dense ones.

    Parameters
    ----------
    dense_block, block : torch.nn.Module
        Of one class; several consecutive ones as `Chain`.  The second one is pruned.
    masks : mapping of bool Tensor
        By names of parameters within the block, of the stored shapes.
    hidden : sequence of Tensor (B, T, d)
        Inputs of the block, batch by batch, without gradients.
    calls : mapping, or a sequence of mapping or BlockCall
        How else the block is called: keywords for all batches, or one entry per batch, keywords or
        what calls the block.
    parts : sequence of str or tuple of str
        Modules of attention and of the MLP, see `units_of`.
    how : Reconstruction

    Raises
    ------
    InputError
        If there are no inputs, or masks, rank or parts do not fit the block.
    """
    if not hidden:
        raise InputError("a reconstruction needs inputs of the block; there are none")
    apply_masks(block, masks)
    starts = {name: block.get_parameter(name).detach().clone() for name in masks}
    work = _Work(dense_block, block, masks, starts, hidden, calls, how)
    with evaluating(dense_block), evaluating(block):
        with torch.no_grad():
            units = units_of(block, [*masks], how.granularity, parts, work.run(block, 0))
        whole = Unit(("",), tuple(masks))
        before = work.mean_error(whole)
        found = [_reconstructed(work, unit) for unit in units]
        after = work.mean_error(whole)
        for last in reversed(range(len(units))):
            if after <= before:
                break
            work.restore(units[last].weights)
            found[last] = replace(found[last], is_reverted=True)
            after = work.mean_error(whole)
    changed = {name: block.get_parameter(name).detach() for name in masks}
    return ReconstructedBlock(changed, before, after, tuple(found))


@dataclass(frozen=True, eq=False)
class _Work:
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
    def restore(self, names: Iterable[str]) -> None:
        """Let weights be as they were given."""
        for name in names:
            self.block.get_parameter(name).copy_(self.starts[name])


@dataclass(frozen=True)
class _Order:
    """Numbers of batches, epoch after epoch, each in an order of its own."""

    number: int
    seed: int

    def at(self, step: int) -> Generator[int]:
        epoch, place = divmod(step, self.number)
        while True:
            generator = seeded_generator(derive_seed(self.seed, "order", epoch))
            yield from torch.randperm(self.number, generator=generator).tolist()[place:]
            epoch, place = epoch + 1, 0


@dataclass(eq=False)
class _Best:
    """The best of some iterates."""

    loss: float
    state: dict[str, Tensor] | None = field(default=None, repr=False)


def _reconstructed(work: _Work, unit: Unit) -> ReconstructedUnit:
    targets, how = work.targets(unit), work.how
    before = work.mean_error(unit, targets)
    # Nothing to gain, or nothing to compare with.
    if not 0 < before < torch.inf or how.num_steps < 1:
        return ReconstructedUnit(str(unit), before, before)
    trainees, best = _selected(work, unit), _Best(before)
    _fit(work, unit, targets, trainees, best)
    if best.state is not None:
        trainees.trainable.load_state_dict(best.state)
    trainees.finish(keep=best.state is not None)
    after = work.mean_error(unit, targets) if trainees.needs_autocast else best.loss
    if not after <= before:
        work.restore(unit.weights)
        after = before
    return ReconstructedUnit(str(unit), before, after)


def _selected(work: _Work, unit: Unit) -> Trainees:
    how, flags = work.how, training_flags(work.block)
    if how.kind == "full":
        return select(work.block, unit.weights, flags=flags)
    generator = seeded_generator(derive_seed(how.seed, "adapters", str(unit)))
    masks = {name: work.masks[name] for name in unit.weights}
    attached = attach(
        work.block, masks, how.kind, rank=how.rank, alpha=how.alpha, generator=generator
    )
    return select(work.block, (), [attached], flags=flags)


def _fit(
    work: _Work, unit: Unit, targets: list[Tensor] | None, trainees: Trainees, best: _Best
) -> None:
    """Train a unit; the best iterate is left in `best`."""
    how, before, trainable = work.how, best.loss, trainees.trainable
    optimizer = adamw(trainees, how.weight_decay)
    masks = {name: work.masks[name] for name in trainees.starts}

    def loss(_: nn.Module, number: int) -> Tensor:
        total, count = work.error(unit, number, targets)
        return total / (count * before)

    def measure(_: Sequence[StepReport]) -> dict[str, float]:
        with ExitStack() as stack:
            for attached in trainees.attached:
                stack.enter_context(attached.as_merged())
            found = work.mean_error(unit, targets, needs_autocast=trainees.needs_autocast)
        if found < best.loss:
            state = {name: value.clone() for name, value in trainable.state_dict().items()}
            best.loss, best.state = found, state
        return {"unit_loss": found}

    plan = FitPlan(
        how.num_steps,
        clip=how.clip,
        mixed_precision=how.mixed_precision or trainees.needs_autocast,
        curve_steps=max(-(-how.num_steps // max(how.evaluations, 1)), 1),
    )
    state = TrainingState(
        trainable,
        optimizer,
        falling_rate(how.rate, how.warm_up, how.num_steps),
        generator=seeded_generator(derive_seed(how.seed, "steps", str(unit))),
    )
    with ExitStack() as stack:
        stack.callback(hold_masks(work.block, masks, optimizer).release)
        fit(state, _Order(len(work.hidden), how.seed), loss, plan, measure=measure)
