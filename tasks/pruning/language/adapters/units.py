"""Units of a decoder block: what is reconstructed at once, and how its inputs and outputs are had.

A unit is one submodule, several that follow one another, or the whole block.  Inputs of a unit are
not stored: the block is run from its own inputs until it reaches the unit, and its outputs are
caught behind the unit, where the run stops.  So modules that a block holds side by side (OPT's fc1
and fc2) form a unit without a module of their own, and what lies between them is run as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol, get_args

from torch import Tensor, nn

from tasks.records import InputError

__all__ = ["BlockCall", "Chain", "Granularity", "Unit", "given_inputs", "unit_output", "units_of"]

Granularity = Literal["matrix", "parts", "block"]
GRANULARITIES: tuple[Granularity, ...] = get_args(Granularity)
Parts = Sequence[str | tuple[str, ...]]


@dataclass(frozen=True)
class Unit:
    """What is reconstructed at once.

    Attributes
    ----------
    modules : tuple of str
        Names within the block, in the order of execution; the empty name is the block itself.
    weights : tuple of str
        Of the masks inside.
    """

    modules: tuple[str, ...]
    weights: tuple[str, ...]

    def __str__(self) -> str:
        return " + ".join(self.modules) or "block"

    @property
    def is_single(self) -> bool:
        """Whether it is one module."""
        return len(self.modules) == 1


@dataclass(frozen=True, eq=False)
class Given:
    """What a module is called with."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


class BlockCall(Protocol):
    """How a block is called beside its input."""

    def output(self, block: nn.Module, state: Tensor, /) -> Tensor:
        """Output (B, T, d) of a block for an input (B, T, d)."""
        ...


class Chain(nn.ModuleList):
    """Several consecutive blocks as one; masks are named ``0.<name>``, ``1.<name>``, and so on."""

    def forward(
        self, hidden: Tensor, *, calls: Sequence[BlockCall] | None = None, **kwargs: Any
    ) -> Tensor:
        """Outputs of the last block, all called with the same keywords, or each as `calls` do."""
        for number, block in enumerate(self):
            if calls is None:
                hidden = _first(block(hidden, **kwargs))
            else:
                hidden = calls[number].output(block, hidden)
        return hidden


class _ReachedError(Exception):
    """The run of a block is at the point where it was to stop."""

    def __init__(self, found: Any) -> None:
        super().__init__()
        self.found = found


def units_of(
    block: nn.Module,
    weights: Sequence[str],
    granularity: Granularity,
    parts: Parts,
    run: Callable[[], Any],
) -> list[Unit]:
    """Units that hold these weights, in the order of execution.

    Parameters
    ----------
    weights : sequence of str
        Names of parameters of the block.
    parts : sequence of str or tuple of str
        Of "parts": attention and MLP, by the names of modules, or of all modules of a part.
        Weights outside of all parts are units of their own.
    run : callable
        Runs the block once.

    Raises
    ------
    InputError
        For an unknown granularity, or a module that the block does not have or run.
    """
    if granularity not in GRANULARITIES:
        raise InputError(
            f"no granularity is called {granularity!r}; known are {', '.join(GRANULARITIES)}"
        )
    if granularity == "block":
        return [Unit(("",), tuple(weights))] if weights else []
    groups = _groups(parts) if granularity == "parts" else []
    units = [Unit(modules, _inside(weights, modules)) for modules in groups]
    inside = {name for unit in units for name in unit.weights}
    alone = [name for name in weights if name not in inside]
    units += [Unit((name.rpartition(".")[0],), (name,)) for name in alone]
    order = _order(block, [name for unit in units for name in unit.modules], run)
    units = [Unit(tuple(sorted(unit.modules, key=order.index)), unit.weights) for unit in units]
    return sorted(
        (unit for unit in units if unit.weights), key=lambda unit: order.index(unit.modules[0])
    )


def given_inputs(block: nn.Module, unit: Unit, run: Callable[[], Any]) -> Given:
    """What a unit is called with when the block runs; what follows is not run."""

    def catch(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        raise _ReachedError(Given(args, kwargs))

    first = block.get_submodule(unit.modules[0])
    with _hooked(first.register_forward_pre_hook(catch, with_kwargs=True)):
        return _caught(run, unit)


def unit_output(
    block: nn.Module, unit: Unit, run: Callable[[], Any], given: Given | None = None
) -> Tensor:
    """Output of a unit when the block runs, or for given inputs; what follows is not run."""
    first, last = (block.get_submodule(unit.modules[i]) for i in (0, -1))
    if given is not None and first is last:
        return _first(first(*given.args, **given.kwargs))

    def replace(*_: Any) -> Any:
        return None if given is None else (given.args, dict(given.kwargs))

    def catch(_: nn.Module, args: Any, output: Any) -> None:
        raise _ReachedError(_first(output))

    with (
        _hooked(first.register_forward_pre_hook(replace, with_kwargs=True)),
        _hooked(last.register_forward_hook(catch)),
    ):
        return _caught(run, unit)


def _first(output: Any) -> Tensor:
    """Modules give a tensor, or a tuple that begins with it."""
    return output[0] if isinstance(output, tuple) else output


def _groups(parts: Parts) -> list[tuple[str, ...]]:
    return [(part,) if isinstance(part, str) else tuple(part) for part in parts]


def _inside(weights: Sequence[str], modules: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in weights if any(name.startswith(f"{m}.") for m in modules))


def _order(block: nn.Module, names: Sequence[str], run: Callable[[], Any]) -> list[str]:
    """The names in the order in which the block calls these modules first."""
    modules, found = dict(block.named_modules()), list[str]()

    def note(name: str, *_: Any) -> None:
        if name not in found:
            found.append(name)

    with ExitStack() as stack:
        for name in set(names) & modules.keys():
            handle = modules[name].register_forward_pre_hook(partial(note, name))
            stack.callback(handle.remove)
        run()
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(f"the block does not run a module called {missing[0]!r}; check the parts")
    return found


@contextmanager
def _hooked(handle: Any) -> Iterator[None]:
    try:
        yield
    finally:
        handle.remove()


def _caught(run: Callable[[], Any], unit: Unit) -> Any:
    try:
        run()
    except _ReachedError as reached:
        return reached.found
    raise InputError(f"the block did not reach {unit}; check the parts")
