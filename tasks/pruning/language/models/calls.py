"""How a model calls its blocks: caught by running all that is around them.

The blocks of a copy are replaced by functions that note what they are called with and pass their
input through.  So every block's own arguments are known (sliding and full attention masks,
rotary positions), and no block needs values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

__all__ = ["Call", "are_equal", "calls_of", "moved", "passed_through"]


@dataclass(frozen=True, eq=False)
class Call:
    """What a block is called with beside its input.

    Attributes
    ----------
    positional : tuple
    named : dict
    """

    positional: tuple[Any, ...]
    named: dict[str, Any]

    def output(self, block: nn.Module, state: Tensor) -> Tensor:
        """Output (B, T, d) of a block for an input (B, T, d)."""
        found = block(state, *self.positional, **self.named)
        return found[0] if isinstance(found, tuple) else found


def moved(call: Call, device: torch.device | str) -> Call:
    """The same arguments on another device."""
    there = tree_map_only(Tensor, lambda tensor: tensor.to(device), (call.positional, call.named))
    return Call(*there)


def are_equal(some: Sequence[Call], others: Sequence[Call]) -> bool:
    """Whether blocks are called with the same values."""
    pairs = zip(
        *(tree_leaves([(c.positional, c.named) for c in x]) for x in (some, others)), strict=True
    )
    distinct = {(id(one), id(other)): (one, other) for one, other in pairs}
    return all(
        torch.equal(one, other) if isinstance(one, Tensor) else one == other
        for one, other in distinct.values()
    )


class _LastBlock(Exception):  # noqa: N818 - no error, the end
    """The last call that is wanted was made."""


def calls_of(
    model: nn.Module, blocks: Sequence[str], tokens: Tensor, *, as_tuple: bool
) -> tuple[Tensor, tuple[Call, ...]]:
    """Input (B, T, d) of the first block, and the arguments of all.

    Parameters
    ----------
    model : torch.nn.Module
        Whose modules outside the blocks have values.
    blocks : sequence of str
        Paths; the model ends with the last one.
    tokens : int Tensor (B, T)
    as_tuple : bool
        Whether blocks return tuples.
    """
    states: list[Tensor] = []
    calls: list[Call] = []

    def note(state: Tensor, call: Call) -> Tensor:
        states.append(state)
        calls.append(call)
        if len(calls) == len(blocks):
            raise _LastBlock
        return state

    replaced = passed_through(model, blocks, note, as_tuple=as_tuple)
    with torch.no_grad(), replaced, suppress(_LastBlock):
        model(tokens, use_cache=False)
    return states[0], tuple(calls)


@contextmanager
def passed_through(
    model: nn.Module,
    blocks: Sequence[str],
    note: Callable[[Tensor, Call], Tensor],
    *,
    as_tuple: bool,
) -> Iterator[None]:
    """Have a function in the place of blocks: of an input and a call, it gives an output."""

    def forward(*positional: Any, **named: Any) -> Any:
        if positional:
            state, positional = positional[0], positional[1:]
        else:
            state = named.pop("hidden_states")
        output = note(state, Call(positional, named))
        return (output,) if as_tuple else output

    replaced = [model.get_submodule(path) for path in blocks]
    for block in replaced:
        block.forward = forward
    try:
        yield
    finally:
        for block in replaced:
            del block.forward
