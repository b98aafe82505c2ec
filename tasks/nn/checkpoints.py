"""Checkpoints of trainings: everything that is needed to go on as if nothing had happened.

    tensors   model.<name>, optimizer.<parameter number>.<moment>, generator, and memory.<name> of
              states that remember more
    header    step, optimizer groups, moments that are not tensors, and what the caller adds

The file's format, its digest and the way it is written are those of `tasks.nn.files`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tasks.nn.files import Checkpoint, check_fit, load_tensors, save_tensors, store_tensors
from tasks.nn.training import TrainingState
from tasks.records import InputError


def save_checkpoint(
    path: str | Path, state: TrainingState, extra: Mapping[str, Any] | None = None
) -> str:
    """Write a training state, whole or not at all; returns the digest.

    Together with the batches from step `state.step` on, it is all that training needs to go on as
    if it had never stopped: on the CPU, bit for bit.
    """
    return save_tensors(path, *_state_content(state, extra))


def store_checkpoint(
    folder: str | Path, state: TrainingState, extra: Mapping[str, Any] | None = None
) -> Path:
    """Write a training state named by its content; returns the path."""
    return store_tensors(folder, *_state_content(state, extra))


def load_checkpoint(
    path: str | Path,
    state: TrainingState,
    *,
    check: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Restore a training state in place; returns the caller's entries.

    Parameters
    ----------
    state : TrainingState
        Of the same architecture and kind of optimizer, on any device.
    check : callable, optional
        Sees the caller's entries before anything is changed, and may raise.

    Raises
    ------
    StoreError
        If the file cannot be read.
    InputError
        If model or optimizer do not fit; then nothing was changed.
    """
    checkpoint = load_tensors(path)
    if "step" not in checkpoint.extra:
        raise InputError(f"{path}: holds tensors but no training state")
    weights = checkpoint.below("model.")
    check_fit(weights, state.model.state_dict(), f"{path}")
    _check_groups(checkpoint.extra["groups"], state, f"{path}")
    if check is not None:
        check(checkpoint.extra["extra"])
    state.recall(checkpoint.below("memory."))
    state.model.load_state_dict(weights)
    moments = _moments(checkpoint)
    state.optimizer.load_state_dict({"state": moments, "param_groups": checkpoint.extra["groups"]})
    _lay_out_moments(state.optimizer)
    state.generator.set_state(checkpoint.tensors["generator"])
    state.step = checkpoint.extra["step"]
    return checkpoint.extra["extra"]


def _state_content(
    state: TrainingState, extra: Mapping[str, Any] | None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    optimizer = state.optimizer.state_dict()
    tensors = {f"model.{name}": value for name, value in state.model.state_dict().items()}
    plain: dict[str, dict[str, Any]] = {}
    for number, moments in optimizer["state"].items():
        for name, value in moments.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{number}.{name}"] = value
            else:
                plain.setdefault(str(number), {})[name] = value
    tensors["generator"] = state.generator.get_state()
    tensors |= {f"memory.{name}": value for name, value in state.memory().items()}
    header = {
        "step": state.step,
        "groups": [{n: _listed(v) for n, v in g.items()} for g in optimizer["param_groups"]],
        "moments": plain,
        "extra": dict(extra or {}),
    }
    return tensors, header


def _listed(value: Any) -> Any:
    """A setting as JSON: rates of a stack are a tensor."""
    return value.tolist() if isinstance(value, Tensor) else value


def _moments(checkpoint: Checkpoint) -> dict[int, dict[str, Any]]:
    moments = {int(number): dict(plain) for number, plain in checkpoint.extra["moments"].items()}
    for key, value in checkpoint.below("optimizer.").items():
        number, _, name = key.partition(".")
        moments.setdefault(int(number), {})[name] = value
    return moments


def _lay_out_moments(optimizer: torch.optim.Optimizer) -> None:
    """Give moments the memory order of their parameters: files have only one order."""
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _check_groups(groups: list[dict[str, Any]], state: TrainingState, where: str) -> None:
    sizes = [len(group["params"]) for group in groups]
    own = [len(group["params"]) for group in state.optimizer.param_groups]
    if sizes != own or groups[0].keys() != state.optimizer.param_groups[0].keys():
        raise InputError(
            f"{where}: was saved with another optimizer: parameter groups of sizes {sizes} "
            f"with {', '.join(sorted(groups[0]))}; the present ones have sizes {own}"
        )
