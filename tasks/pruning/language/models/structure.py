"""Structure of a causal language model, found by what its modules are and not by their names.

The decoder blocks are the longest list of modules of one type whose parameters have the same names
and shapes, outside any other such list.  One block is run on the meta device, where nothing is
computed, to learn in which order its modules are called.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import torch
from torch import nn

from tasks.pruning.language.layers.layouts import is_transposed
from tasks.pruning.language.models.calls import calls_of, moved
from tasks.pruning.language.models.skeletons import fill, skeleton
from tasks.records import InputError

__all__ = [
    "Described",
    "Layer",
    "Part",
    "Structure",
    "described",
    "find_structure",
    "path_of",
]

_SOUGHT = (
    "looked for a decoder: the longest torch.nn.ModuleList of equal blocks with linear layers, "
    "causal attention and a head"
)
_LENGTH = 2
"""Tokens of the run on the meta device."""


@dataclass(frozen=True)
class Layer:
    """A linear map inside a block, which can be pruned.

    Attributes
    ----------
    name, weight : str
        Path of the module; name of the parameter.
    width, rows : int
        Numbers of inputs and outputs.
    transposed : bool
        Whether the weight is stored (inputs, outputs).
    block : int
    """

    name: str
    weight: str
    width: int
    rows: int
    transposed: bool
    block: int


@dataclass(frozen=True)
class Part:
    """A module of a block that takes and gives states: its attention, its MLP, or a layer of that.

    Attributes
    ----------
    kind : {"attention", "mlp"}
    name : str
        Path of the module.
    layers : tuple of str
        Paths of its layers.
    """

    kind: Literal["attention", "mlp"]
    name: str
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Structure:
    """What a model is made of; everything in the order in which it is called.

    Attributes
    ----------
    blocks : tuple of str
        Paths.
    layers : tuple of Layer
        Block by block.
    parts : tuple of tuple of Part
        Of each block.  An MLP that is not a module of its own (OPT) gives a part for every layer.
    head : tuple of str
        Names of the parameters of the output matrix.
    is_tied : bool
        Whether the head is the embedding.
    returns_tuple : bool
        Whether a block returns a tuple that begins with its output.
    """

    blocks: tuple[str, ...]
    layers: tuple[Layer, ...]
    parts: tuple[tuple[Part, ...], ...]
    head: tuple[str, ...]
    is_tied: bool
    returns_tuple: bool

    def of_block(self, number: int) -> tuple[Layer, ...]:
        """Layers of a block."""
        return tuple(layer for layer in self.layers if layer.block == number)


@dataclass(frozen=True, eq=False)
class Described:
    """A skeleton with its structure.

    Attributes
    ----------
    skeleton : torch.nn.Module
        Shared by all that ask for it: copied before it is changed.
    structure : Structure
    """

    skeleton: Any
    structure: Structure


def described(config: Any, dtype: torch.dtype = torch.float32) -> Described:
    """Skeleton and structure of a config, made once for equal ones.

    Raises
    ------
    InputError
        As `skeleton` and `find_structure`.
    """
    return _described(_Key(config.to_json_string(use_diff=False), config), dtype)


@dataclass(frozen=True)
class _Key:
    """A config by its content."""

    text: str
    config: Any = field(compare=False)


@lru_cache(maxsize=8)
def _described(key: _Key, dtype: torch.dtype) -> Described:
    model = skeleton(key.config, dtype)
    return Described(model, find_structure(model))


def find_structure(model: Any) -> Structure:
    """Structure of a causal language model of transformers, with values or without.

    Parameters
    ----------
    model : transformers.PreTrainedModel

    Raises
    ------
    InputError
        If it is an encoder, has no list of equal blocks or no head, or holds experts as one tensor.
    """
    path = _blocks_path(model)
    blocks = tuple(f"{path}.{i}" for i in range(len(model.get_submodule(path))))
    head = model.get_output_embeddings()
    if head is None:
        raise InputError(f"{type(model).__name__} has no head; {_SOUGHT}")
    _refuse_experts(model, path)
    order, returns_tuple = _order(model, blocks)
    place = path_of(model, head)
    return Structure(
        blocks=blocks,
        layers=tuple(x for i in range(len(blocks)) for x in _layers(model, blocks[i], i, order)),
        parts=tuple(_parts(model, block, order) for block in blocks),
        head=tuple(f"{place}.{name}" for name, _ in head.named_parameters()),
        is_tied=head.weight is model.get_input_embeddings().weight,
        returns_tuple=returns_tuple,
    )


def _blocks_path(model: Any) -> str:
    """Path of the list of blocks."""
    lists = [path for path, module in model.named_modules() if _are_equal_blocks(module)]
    outer = [p for p in lists if not any(p.startswith(f"{other}.") for other in lists)]
    if not outer:
        raise InputError(f"{type(model).__name__} has no list of blocks; {_SOUGHT}")
    found = max(outer, key=lambda path: len(model.get_submodule(path)))
    if any(getattr(m, "is_causal", None) is False for m in model.get_submodule(found).modules()):
        raise InputError(f"{type(model).__name__} is an encoder, it sees later tokens; {_SOUGHT}")
    return found


def _are_equal_blocks(module: nn.Module) -> bool:
    if not isinstance(module, nn.ModuleList) or not len(module):
        return False
    shapes = [{n: p.shape for n, p in block.named_parameters()} for block in module]
    linear = sum(is_transposed(part) is not None for part in module[0].modules())
    return linear > 1 and all(
        type(block) is type(module[0]) and shape == shapes[0]
        for block, shape in zip(module, shapes, strict=True)
    )


def _refuse_experts(model: Any, path: str) -> None:
    for name, parameter in model.get_submodule(path).named_parameters():
        if parameter.ndim == 3:
            raise InputError(
                f"{path}.{name} holds experts as one tensor {list(parameter.shape)}, which cannot "
                f"be pruned; give a model without experts, {type(model).__name__} has them"
            )


def _order(model: Any, blocks: tuple[str, ...]) -> tuple[list[str], bool]:
    """Modules of a block in the order of their calls, and whether it returns a tuple."""
    values = next(model.parameters()).device.type != "meta"
    copied = skeleton(model.config) if values else deepcopy(model)
    block = copied.get_submodule(blocks[0]).to("meta")
    inside = {f"{blocks[0]}.{name}" for name, _ in block.named_parameters()}
    around = {n: p for n, p in copied.named_parameters() if n not in inside}
    fill(copied, {n: torch.zeros((), dtype=p.dtype).expand(p.shape) for n, p in around.items()})
    tokens = torch.zeros(1, _LENGTH, dtype=torch.long)
    state, calls = calls_of(copied, blocks[:1], tokens, as_tuple=False)
    called: list[str] = []
    for name, module in list(block.named_modules())[1:]:
        module.register_forward_pre_hook(lambda _, __, name=name: called.append(name))
    call = moved(calls[0], "meta")
    with torch.no_grad():
        found = block(state.to("meta"), *call.positional, **call.named)
    return list(dict.fromkeys(called)), isinstance(found, tuple)


def _layers(model: Any, block: str, number: int, order: list[str]) -> Iterator[Layer]:
    for name in order:
        module = model.get_submodule(f"{block}.{name}")
        transposed = is_transposed(module)
        if transposed is not None:
            first, last = module.weight.shape
            width, rows = (first, last) if transposed else (last, first)
            path = f"{block}.{name}"
            yield Layer(path, f"{path}.weight", width, rows, transposed, number)


def _parts(model: Any, block: str, order: list[str]) -> tuple[Part, ...]:
    """Attention and MLP: the children of a block that have layers."""
    layers = [n for n in order if is_transposed(model.get_submodule(f"{block}.{n}")) is not None]
    owned: dict[str, list[str]] = {}
    for name in layers:
        owned.setdefault(name.split(".")[0], []).append(f"{block}.{name}")
    attention = _attention(model, block, list(owned))
    return tuple(
        Part("attention" if child == attention else "mlp", f"{block}.{child}", tuple(names))
        for child, names in owned.items()
    )


def _attention(model: Any, block: str, children: list[str]) -> str:
    """The child whose type says so, else the first one with several layers."""
    for child in children:
        if "attention" in type(model.get_submodule(f"{block}.{child}")).__name__.lower():
            return child
    modules = [c for c in children if is_transposed(model.get_submodule(f"{block}.{c}")) is None]
    return (modules or children)[0]


def path_of(model: Any, wanted: nn.Module) -> str:
    """Path of a module of a model."""
    return next(path for path, module in model.named_modules() if module is wanted)
