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

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from tasks.nn import FitPlan, StepReport, TrainingState, evaluating, fit, seeded_generator
from tasks.nn.sparsity import apply_masks, hold_masks
from tasks.pruning.language.adapters.attaching import attach
from tasks.pruning.language.adapters.block_pairs import BlockPair, Calls, Reconstruction
from tasks.pruning.language.adapters.retraining import adamw, falling_rate
from tasks.pruning.language.adapters.trainees import Trainees, select, training_flags
from tasks.pruning.language.adapters.units import Parts, Unit, units_of
from tasks.records import InputError, derive_seed

__all__ = ["ReconstructedBlock", "ReconstructedUnit", "Reconstruction", "reconstruct_block"]


@dataclass(frozen=True)
class ReconstructedUnit:
    """Loss of a unit over all inputs, with the weights that it was given and with the best ones.

    Attributes
    ----------
    name : str
    loss_before, loss_after : float
    scale : float
        What they are relative to: the mean square of the dense outputs, 1 for cosines.
    is_reverted : bool
        Whether the weights are as they were, since better ones made the block worse as a whole.
    """

    name: str
    loss_before: float
    loss_after: float
    scale: float = 1.0
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
        Without inputs, or if masks, rank or parts do not fit the block.
    """
    if not hidden:
        raise InputError("a reconstruction needs inputs of the block; there are none")
    apply_masks(block, masks)
    starts = {name: block.get_parameter(name).detach().clone() for name in masks}
    work = BlockPair(dense_block, block, masks, starts, hidden, calls, how)
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


def _reconstructed(work: BlockPair, unit: Unit) -> ReconstructedUnit:
    targets, how = work.targets(unit), work.how
    before = work.mean_error(unit, targets)
    # Nothing to gain, or nothing to compare with.
    scale = work.scale(unit, targets)
    if not 0 < before < torch.inf or how.num_steps < 1:
        return ReconstructedUnit(str(unit), before, before, scale)
    trainees, best = _selected(work, unit), _Best(before)
    _fit(work, unit, targets, trainees, best)
    if best.state is not None:
        trainees.trainable.load_state_dict(best.state)
    trainees.finish(keep=best.state is not None)
    after = work.mean_error(unit, targets) if trainees.needs_autocast else best.loss
    if not after <= before:
        work.restore(unit.weights)
        after = before
    return ReconstructedUnit(str(unit), before, after, scale)


def _selected(work: BlockPair, unit: Unit) -> Trainees:
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
    work: BlockPair, unit: Unit, targets: list[Tensor] | None, trainees: Trainees, best: _Best
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
