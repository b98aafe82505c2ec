"""A language model that is walked through block by block, and never in memory as a whole.

The hidden states of all batches move through the blocks together:

    H_0 = embedding(tokens),    H_(i+1) = block_i(H_i),    logits = head(norm(H_n)).

At any time there are one block, the states, and what a block makes of one batch.  Of the embedding
only rows of tokens that occur are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from tasks.pruning.language.models.calls import Call, are_equal, calls_of, passed_through
from tasks.pruning.language.models.skeletons import fill, move_buffers
from tasks.pruning.language.models.structure import Structure, described, path_of
from tasks.records import InputError

__all__ = ["Hidden", "LanguageModel", "Reader"]


class Reader(Protocol):
    """Where a model's config and tensors come from, e.g. a `ModelFolder`."""

    @property
    def config(self) -> Any:
        """Config of transformers."""

    def read(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Tensors by name in ``state_dict()``, as they are stored."""


@dataclass(frozen=True, eq=False)
class Hidden:
    """Hidden states of some windows, and how the blocks are called with them.

    Attributes
    ----------
    states : list of Tensor (B, T, d)
        Inputs of block number `block`, batch by batch.
    calls : list of tuple of Call
        For every batch, further arguments of all blocks; batches share them where they are equal.
    block : int
        Number of blocks that they went through.
    """

    states: list[Tensor]
    calls: list[tuple[Call, ...]]
    block: int = 0

    def output(self, block: nn.Module, batch: int) -> Tensor:
        """Output (B, T, d) of block number `block` for a batch, with gradients where wanted."""
        return self.calls[batch][self.block].output(block, self.states[batch])


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A model on disk and how it is computed.

    Attributes
    ----------
    reader : Reader
    skeleton : transformers.PreTrainedModel
        Without values.
    structure : Structure
    device : torch.device
    dtype : torch.dtype
        Of all weights and states.
    """

    reader: Reader
    skeleton: Any
    structure: Structure
    device: torch.device
    dtype: torch.dtype

    @classmethod
    def open(
        cls, reader: Reader, device: torch.device | str = "cpu", dtype: torch.dtype | None = None
    ) -> LanguageModel:
        """Without reading weights.

        Parameters
        ----------
        reader : Reader
        device : torch.device or str
        dtype : torch.dtype, optional
            By default float32 on the CPU, elsewhere that of the stored layers.
        """
        device = torch.device(device)
        found = described(reader.config)
        model, structure = found.skeleton, found.structure
        if dtype is None:
            layer = structure.layers[0].weight
            dtype = torch.float32 if device.type == "cpu" else reader.read([layer])[layer].dtype
        if dtype != torch.float32:
            model = described(reader.config, dtype).skeleton
        return cls(reader, model, structure, device, dtype)

    def load(self) -> nn.Module:
        """The whole model, whose values are its own; tied matrices stay tied."""
        model = deepcopy(self.skeleton)
        fill(model, self._read(model.state_dict()))
        move_buffers(model, self.device)
        return model

    @contextmanager
    def block(self, number: int) -> Iterator[nn.Module]:
        """A block with values, which are freed afterwards."""
        path = self.structure.blocks[number]
        block = deepcopy(self.skeleton.get_submodule(path))
        tensors = self._read(f"{path}.{name}" for name in block.state_dict())
        fill(block, {name.removeprefix(f"{path}."): tensors.pop(name) for name in list(tensors)})
        move_buffers(block, self.device)
        try:
            yield block
        finally:
            block.to("meta")

    @torch.no_grad()
    def hidden(self, tokens: Tensor, batch_size: int) -> Hidden:
        """Inputs of block 0.

        Parameters
        ----------
        tokens : int Tensor (N, T)
        batch_size : int
            Windows in a batch; the last batch may be smaller.

        Raises
        ------
        InputError
            Without tokens, if a token is not in the vocabulary, or windows are longer than
            what the model sees.
        """
        self._check(tokens, batch_size)
        around = self._around(head=False)
        states: list[Tensor] = []
        calls: list[tuple[Call, ...]] = []
        last = torch.Size()
        for batch in tokens.split(batch_size):
            state, found = calls_of(
                around,
                self.structure.blocks,
                batch.long().to(self.device),
                as_tuple=self.structure.returns_tuple,
            )
            states.append(state)
            same = bool(calls) and batch.shape == last and are_equal(found, calls[-1])
            calls.append(calls[-1] if same else found)
            last = batch.shape
        return Hidden(states, calls)

    @torch.no_grad()
    def run(self, block: nn.Module, hidden: Hidden) -> Hidden:
        """What a block, in the place of block number `hidden.block`, makes of all batches."""
        states = [hidden.output(block, batch) for batch in range(len(hidden.states))]
        return Hidden(states, hidden.calls, hidden.block + 1)

    def walk(self, hidden: Hidden) -> Hidden:
        """The states behind the last block, block after block."""
        while hidden.block < len(self.structure.blocks):
            with self.block(hidden.block) as block:
                hidden = self.run(block, hidden)
        return hidden

    @torch.no_grad()
    def logits(self, hidden: Hidden) -> Iterator[Tensor]:
        """Logits (B, T, V) of every batch, from the states behind the last block."""
        around = self._around(head=True)
        blocks, as_tuple = self.structure.blocks, self.structure.returns_tuple
        for state in hidden.states:
            tokens = torch.zeros(state.shape[:2], dtype=torch.long, device=self.device)

            def last(_: Tensor, __: Call, state: Tensor = state) -> Tensor:
                return state

            with passed_through(around, blocks, last, as_tuple=as_tuple):
                logits = around(tokens, use_cache=False).logits
            yield logits

    def _around(self, *, head: bool) -> Any:
        """All but the blocks, and the head if it is wanted; of the embedding what is used."""
        model = deepcopy(self.skeleton)
        embedding = model.get_input_embeddings()
        name = f"{path_of(model, embedding)}.weight"
        inside = tuple(f"{path}." for path in self.structure.blocks)
        without = {name} if head else {name, *self.structure.head}
        names = [n for n in model.state_dict() if not n.startswith(inside) and n not in without]
        fill(model, self._read(names))
        move_buffers(model, self.device)
        self._read_rows(embedding, name)
        return model

    def _read_rows(self, embedding: Any, name: str) -> None:
        """Have an embedding read the rows of the tokens that it is called with."""
        rows = self.reader.read([name])[name]
        embedding.padding_idx = None  # It concerns gradients alone.

        def read(module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
            tokens, numbers = given[0].unique(return_inverse=True)
            found = rows[tokens.cpu()].to(self.device, self.dtype)
            module.weight = nn.Parameter(found, requires_grad=False)
            return (numbers, *given[1:])

        embedding.register_forward_pre_hook(read)

    def _read(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Tensors of one's own, on the device; numbers with a point in the type of the model."""
        tensors = {}
        found = self.reader.read(names)
        for name in list(found):
            stored = found.pop(name)
            dtype = self.dtype if stored.is_floating_point() else stored.dtype
            tensors[name] = stored.to(self.device, dtype, copy=True)
        return tensors

    def _check(self, tokens: Tensor, batch_size: int) -> None:
        if not tokens.numel() or tokens.ndim != 2:
            raise InputError(f"tokens have the shape {list(tokens.shape)}; give windows (N, T)")
        if batch_size < 1:
            raise InputError(f"batch_size is {batch_size}; give 1 or more")
        limit = getattr(self.reader.config, "max_position_embeddings", None) or tokens.shape[1]
        if tokens.shape[1] > limit:
            raise InputError(
                f"windows have {tokens.shape[1]} tokens, the model sees {limit}; give shorter ones"
            )
        size = self.skeleton.get_input_embeddings().num_embeddings
        if int(tokens.min()) < 0 or int(tokens.max()) >= size:
            raise InputError(
                f"a token is {int(tokens.max())}, the model knows 0 to {size - 1}; "
                "use the tokenizer of its folder"
            )
