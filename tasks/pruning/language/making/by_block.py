"""From block to block: what is done to one is seen by the next.

Hidden states of all calibration sequences stand before a block.  The block is read from the files,
its layers are pruned, or get other weights for their masks, and the states go through what it has
become.  Only one block is in memory, beside its dense twin where it is fitted to that.  Every block
that is done is stored, so that a pass which was killed goes through finished blocks once more, but
computes nothing again.

References
----------
Frantar and Alistarh, SparseGPT, arXiv:2301.00774 (blocks in order, on the inputs that pruned blocks
give).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from tasks.nn.memory import release_freed_memory
from tasks.nn.sparsity import Masks
from tasks.pruning.language.layers.gram import Gram
from tasks.pruning.language.making.unfinished_models import UnfinishedModel
from tasks.pruning.language.models.blocks import Hidden, LanguageModel
from tasks.pruning.language.models.structure import Layer
from tasks.records import InputError
from tasks.records.rows import Row

__all__ = [
    "BlockPass",
    "BlockResult",
    "BlockWork",
    "Stopwatch",
    "WalkedModel",
    "block_grams",
]


@dataclass(frozen=True, eq=False)
class BlockResult:
    """What has become of a block.

    Attributes
    ----------
    changed : mapping of Tensor
        Parameters with new values, by their names in the model.
    masks : mapping of Tensor
        Of its layers, if they are new.
    rows : sequence of Row
        One for each layer or part.
    seconds : mapping of float
        Layer or part -> seconds.
    """

    changed: Mapping[str, Tensor]
    masks: Mapping[str, Tensor] = field(default_factory=dict)
    rows: Sequence[Row] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)


class BlockWork(Protocol):
    """What is done to a block; its weights are set afterwards from the result."""

    def __call__(self, number: int, block: nn.Module, hidden: Hidden) -> BlockResult:
        """Result for the block with its inputs; the block may be left as it is found."""
        ...


@dataclass(frozen=True, eq=False)
class BlockPass:
    """One walk through all blocks.

    Attributes
    ----------
    model : LanguageModel
    tokens : int64 Tensor (N, T)
        Calibration sequences.
    types : mapping of torch.dtype
        Of the parameters as they are stored; new values are rounded to them.
    batch_size : int
        Sequences at a time.
    """

    model: LanguageModel
    tokens: Tensor
    types: Mapping[str, torch.dtype]
    batch_size: int = 8

    def walk(self, work: BlockWork, unfinished: UnfinishedModel) -> WalkedModel:
        """Do the work on every block in order; blocks that are done are only passed through."""
        hidden = self.model.hidden(self.tokens, self.batch_size)
        rows: list[Row] = []
        seconds: dict[str, float] = {}
        last = len(self.model.structure.blocks) - 1
        for number in range(last + 1):
            done = unfinished.done(_name(number))
            if done and number == last:
                rows += done[1]
                break
            with self.model.block(number) as block:
                if done:
                    self._set(number, block, *unfinished.content(done[0]))
                    rows += done[1]
                else:
                    result = self._worked(work, number, block, hidden, unfinished)
                    rows += result.rows
                    seconds |= result.seconds
                if number < last:
                    hidden = self.model.run(block, hidden)
            release_freed_memory()
        return WalkedModel(rows, seconds)

    def _worked(
        self,
        work: BlockWork,
        number: int,
        block: nn.Module,
        hidden: Hidden,
        unfinished: UnfinishedModel,
    ) -> BlockResult:
        """Do the work on a block, set its weights, and store them."""
        result = work(number, block, hidden)
        changed = {name: value.to(self.types[name]) for name, value in result.changed.items()}
        self._set(number, block, changed, result.masks)
        unfinished.add(_name(number), changed, result.masks, result.rows)
        return result

    def _set(
        self, number: int, block: nn.Module, changed: Mapping[str, Tensor], masks: Masks
    ) -> None:
        """Give a block its new weights, and zeros outside of its masks."""
        own = dict(block.named_parameters())
        prefix = f"{self.model.structure.blocks[number]}."
        with torch.no_grad():
            for name, value in changed.items():
                own[name.removeprefix(prefix)].copy_(value)
            for name, mask in masks.items():
                own[name.removeprefix(prefix)].masked_fill_(~mask, 0.0)


@dataclass(frozen=True)
class WalkedModel:
    """Rows of all blocks, and seconds of the parts that were not passed through only."""

    rows: Sequence[Row]
    seconds: Mapping[str, float]


def _name(number: int) -> str:
    """Of a block among the parts of a model."""
    return f"block-{number}"


# --- statistics of a block ----------------------------------------------------------------------


def block_grams(
    model: LanguageModel, number: int, block: nn.Module, hidden: Hidden
) -> dict[str, Gram]:
    """Gram matrices of the inputs of all layers of a block, by the names of the layers.

    Layers that get the same tensor, as queries, keys and values do, share one.
    """
    prefix = f"{model.structure.blocks[number]}."
    layers = [layer for layer in model.structure.layers if layer.block == number]
    collector = _Collector()
    modules = {layer.name: block.get_submodule(layer.name.removeprefix(prefix)) for layer in layers}
    handles = [
        module.register_forward_pre_hook(collector.hook(name)) for name, module in modules.items()
    ]
    try:
        with torch.no_grad():
            for batch in range(len(hidden.states)):
                hidden.output(block, batch)
                collector.next_batch()
    finally:
        for handle in handles:
            handle.remove()
    return {layer.name: collector.gram(layer) for layer in layers}


class _Collector:
    """Sums Gram matrices over batches, one for all layers that get the same tensor."""

    def __init__(self) -> None:
        self._leaders: dict[str, str] = {}
        self._grams: dict[str, Gram] = {}
        self._seen: list[tuple[Tensor, str]] = []

    def hook(self, name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def note(_: nn.Module, arguments: tuple[Any, ...]) -> None:
            inputs = arguments[0]
            leader = next((who for tensor, who in self._seen if tensor is inputs), name)
            self._leaders.setdefault(name, leader)
            if self._leaders[name] == name:
                before = self._grams.get(name) or Gram.zero(inputs.shape[-1], inputs.device)
                self._grams[name] = _plus(before, inputs)
            self._seen.append((inputs, name))

        return note

    def next_batch(self) -> None:
        """Forget the tensors of this batch."""
        self._seen.clear()

    def gram(self, layer: Layer) -> Gram:
        """Of a layer; of one that was never called that of no inputs."""
        leader = self._leaders.get(layer.name, layer.name)
        return self._grams.get(leader) or Gram.zero(layer.width)


def _plus(gram: Gram, inputs: Tensor) -> Gram:
    """With more inputs; NaN if they are not finite, which the rows of the layers tell."""
    try:
        return gram.plus(inputs)
    except InputError:
        return Gram(gram.matrix * torch.nan, gram.num_tokens)


class Stopwatch:
    """Seconds between laps."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        """Since the lap before."""
        before, self._last = self._last, time.perf_counter()
        return self._last - before
