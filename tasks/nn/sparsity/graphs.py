"""A model as a graph of ATen operations on one example.

The model is exported in evaluation mode (`torch.export`, without its fused attention), so that
functions, methods and modules all become the same few operations; nothing of the model changes.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import Dim
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.nn.utils.parametrize import is_parametrized

from tasks.nn.evaluation import evaluating
from tasks.nn.sparsity.masks import prunable_weights
from tasks.records import InputError

Example = tuple[int, ...] | Tensor
"""Shape of one example (without the batch), or a batch of examples."""


@dataclass(frozen=True, eq=False)
class Graph:
    """Operations of a model.

    Attributes
    ----------
    module : fx.GraphModule
        Runs them; parameters and buffers are those of the model.
    names : mapping
        First name in the model of each parameter and buffer that the graph reads.
    """

    module: fx.GraphModule
    names: dict[str, str]


def example_batch(model: nn.Module, shape: Example) -> Tensor:
    """Two examples: random numbers of a shape, or what was given as a batch."""
    parameter = next(model.parameters(), None)
    if parameter is None:
        raise InputError(f"{type(model).__name__} has no parameters")
    if isinstance(shape, Tensor):
        # One example alone would fix the size of the batch in an exported graph.
        batch = shape if len(shape) > 1 else torch.cat([shape, shape])
        return batch[:2].detach().to(parameter.device)
    numbers = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    return numbers.to(parameter.device, parameter.dtype)


def exported(model: nn.Module, example: Tensor, *, any_batch: bool = False) -> Graph:
    """Graph of a model; with `any_batch` it runs for other sizes of a batch than two.

    Raises
    ------
    InputError
        If operations depend on values, do not fit the example, or a weight is parametrized.
    """
    prunable_weights(model)
    if is_parametrized(model) or any(is_parametrized(m) for m in model.modules()):
        raise InputError(
            f"{type(model).__name__} has weights that are computed from other parameters: remove "
            "the parametrizations first"
        )
    sizes = ({0: Dim.AUTO},) if any_batch else None
    try:
        with evaluating(model), plain_attention(), _quiet():
            program = torch.export.export(model, (example,), strict=False, dynamic_shapes=sizes)
            module: Any = program.module(check_guards=False)
    except GuardOnDataDependentSymNode as error:
        raise InputError(
            f"the operations of {type(model).__name__} cannot be traced: they depend on values"
        ) from error
    except (RuntimeError, TypeError, ValueError, AssertionError, AttributeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(
            f"the operations of {type(model).__name__} cannot be traced: {reason}"
        ) from error
    module.graph.eliminate_dead_code(_changes_tensors)
    return Graph(module, _first_names(model))


def sizes_of(node: fx.Node) -> tuple[int, ...]:
    """Shape of a node's tensor on the example; empty for what is not a tensor."""
    return _shape(node.meta.get("val"))


def all_sizes(node: fx.Node) -> list[tuple[int, ...]]:
    """Shapes of all results of a node."""
    value = node.meta.get("val")
    return [_shape(each) for each in value] if isinstance(value, tuple | list) else [_shape(value)]


def has_several(node: fx.Node) -> bool:
    """Whether an operation has several results, which are got one by one."""
    return isinstance(node.meta.get("val"), tuple | list)


def number_of(size: Any) -> Any:
    """A size on the example, also one that is symbolic."""
    return size.node.hint if isinstance(size, torch.SymInt) else size


def argument(node: fx.Node, name: str, default: Any = None) -> Any:
    """An argument of an ATen operation by its name."""
    for place, each in enumerate(node.target._schema.arguments):  # pyrefly: ignore
        if each.name == name:
            given = node.args[place] if place < len(node.args) else node.kwargs.get(name)
            return each.default_value if given is None else given
    return default


def operation(node: fx.Node) -> str:
    """Name of an ATen operation without its overload; empty for everything else."""
    schema = getattr(node.target, "_schema", None)
    return schema.name.split("::")[1] if schema is not None else ""


def _changes_tensors(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return node.op in ("placeholder", "output") or (schema is not None and schema.is_mutable)


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(number_of(size) for size in value.shape) if isinstance(value, Tensor) else ()


def _first_names(model: nn.Module) -> dict[str, str]:
    first: dict[int, str] = {}
    names = {}
    for tensors in (model.named_parameters, model.named_buffers):
        for name, tensor in tensors(remove_duplicate=False):
            names[name] = first.setdefault(id(tensor), name)
    return names


@contextmanager
def plain_attention() -> Iterator[None]:
    """Without the fused kernels of PyTorch's layers of attention."""
    is_fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(is_fused)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's own reports: a failure becomes one line."""
    logger = logging.getLogger("torch.fx.experimental.symbolic_shapes")
    was_disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = was_disabled
