"""Networks of one's own: what a factory returns, and weights from a file.

A factory is called with those of these arguments that it names:

    num_classes, num_outputs               classes, or targets
    in_channels, in_chans, in_features     channels of an image, columns of a table
    shape, input_shape                     of an example, such as (C, H, W)

Random numbers are seeded before.  ``timm:NAME`` is a network of timm without its weights.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from tasks.records import InputError
from tasks.records.own_code import resolve

__all__ = ["build_own", "check_network", "checked_module", "materialize"]

TIMM = "timm:"


def build_own(reference: str, shape: tuple[int, ...], num_outputs: int, *, seed: int) -> nn.Module:
    """Network of a factory, in training mode, on the CPU.

    Parameters
    ----------
    reference : str
        ``package.module:name``, ``FILE.py:name`` or ``timm:NAME``.
    shape : tuple of int
        Of an example.
    num_outputs : int
        Number of classes, or of targets.
    seed : int
        Of all random numbers that are drawn meanwhile.

    Raises
    ------
    InputError
        If the factory cannot be found, fails, or it returns something else than a module.
    """
    with _seeded(seed):  # a module may draw numbers when it is imported
        factory, arguments = _factory(reference, shape, num_outputs)
    with _seeded(seed):
        try:
            model = factory(**arguments)
        except (Exception, SystemExit) as error:
            raise InputError(f"model {reference} failed: {_reason(error)}") from error
    return checked_module(model, f"model {reference}").train()


def checked_module(model: Any, what: str) -> nn.Module:
    """What a factory returned, if it is a module that can be trained and stored.

    Raises
    ------
    InputError
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"{what} returned {type(model).__name__}; wanted is a torch.nn.Module")
    if not any(True for _ in model.parameters()):
        raise InputError(f"{what} has no parameters")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise InputError(f"{what} has frozen all its parameters: there is nothing to train")
    for name, value in model.state_dict().items():
        if not isinstance(value, Tensor):
            raise InputError(
                f"{what} keeps {name}, which is not a tensor "
                f"({type(value).__name__}), in its state: "
                "it cannot be stored"
            )
    return model


def materialize(model: nn.Module, inputs: Tensor, *, seed: int) -> None:
    """Give lazy layers their sizes, by a batch of inputs.

    Raises
    ------
    InputError
        If the network fails on them.
    """
    if any(isinstance(p, UninitializedParameter) for p in model.parameters()):
        with _seeded(seed):
            check_network(model, inputs, lambda _: None)


def check_network(model: nn.Module, inputs: Tensor, check: Callable[[Any], None]) -> None:
    """Refuse a network that fails on a batch, or whose outputs a check refuses.

    Raises
    ------
    InputError
    """
    name = type(model).__name__
    was_training = model.training
    try:
        with torch.no_grad():
            outputs = model.eval()(inputs)
    except (Exception, SystemExit) as error:
        raise InputError(
            f"{name} fails on inputs of shape {tuple(inputs.shape)}: {_reason(error)}"
        ) from error
    finally:
        model.train(was_training)
    try:
        check(outputs)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def _factory(
    reference: str, shape: tuple[int, ...], num_outputs: int
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """What is called, and with which arguments."""
    known = {
        **dict.fromkeys(("num_classes", "num_outputs"), num_outputs),
        **dict.fromkeys(("in_channels", "in_chans", "in_features"), shape[0]),
        **dict.fromkeys(("shape", "input_shape"), tuple(shape)),
    }
    if reference.startswith(TIMM):
        name = reference.removeprefix(TIMM)
        return _of_timm(reference), _timm_arguments(name, shape, num_outputs)
    factory = resolve(reference)
    if not callable(factory):
        raise InputError(f"model {reference} is {type(factory).__name__}, which cannot be called")
    return factory, _accepted(reference, factory, known)


def _accepted(
    reference: str, factory: Callable[..., Any], known: Mapping[str, Any]
) -> dict[str, Any]:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return {}
    kinds = inspect.Parameter
    named = [p for p in parameters if p.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)]
    found = {p.name: known[p.name] for p in named if p.name in known}
    if any(p.kind is kinds.VAR_KEYWORD for p in parameters):
        found.setdefault("num_classes", known["num_classes"])
    needed = [p.name for p in parameters if p.default is kinds.empty and p.kind in (
        kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY
    ) and p.name not in found]  # fmt: skip
    if needed:
        raise InputError(
            f"model {reference} needs {', '.join(needed)}; a factory gets {', '.join(known)}, as "
            "far as it names them"
        )
    return found


def _of_timm(reference: str) -> Callable[..., Any]:
    try:
        import timm
    except (Exception, SystemExit) as error:
        raise InputError(
            f"model {reference} needs timm, which cannot be imported ({_reason(error)}); it brings "
            "torchvision, which has to match torch: see docs/own_networks.md"
        ) from error
    if not timm.is_model(reference.removeprefix(TIMM)):
        raise InputError(f"timm has no network {reference.removeprefix(TIMM)!r}")
    return timm.create_model


def _timm_arguments(name: str, shape: tuple[int, ...], num_outputs: int) -> dict[str, Any]:
    import timm

    arguments: dict[str, Any] = {"model_name": name, "num_classes": num_outputs}
    arguments["in_chans"] = shape[0]
    known = timm.get_pretrained_cfg(name, allow_unregistered=True)
    if known is not None and known.fixed_input_size and len(shape) == 3:
        arguments["img_size"] = tuple(shape[1:])
    return {**arguments, "pretrained": False}


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seeded random numbers of torch, NumPy and Python; then all are as they were."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            np.random.seed(seed % 2**32)
            random.seed(seed)
            yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)


def _reason(error: BaseException) -> str:
    """Kind and first line of what was raised."""
    text = (str(error).strip() or "without a message").splitlines()[0]
    return f"{type(error).__name__}: {text}"
