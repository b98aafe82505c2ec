"""Model files: safetensors whose header says what kind of model they hold."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from torch import nn

from tasks.nn import Checkpoint, check_fit, load_tensors
from tasks.records import InputError

M = TypeVar("M", bound=nn.Module)


def open_model(path: str | Path, kind: str, recipe: str) -> Checkpoint:
    """Read a model file of one kind.

    Parameters
    ----------
    path : str or Path
    kind : str
        What the field ``kind`` of its header has to be.
    recipe : str
        Recipe that makes such files, for the message.

    Raises
    ------
    StoreError
        If the file is missing or damaged.
    InputError
        If it holds something else.
    """
    checkpoint = load_tensors(path)
    found = checkpoint.extra.get("kind", "no model")
    if found != kind:
        raise InputError(
            f"{path}: holds {found!r}, wanted is {kind!r}: a model.safetensors of the recipe "
            f"{recipe}"
        )
    return checkpoint


def filled(model: M, checkpoint: Checkpoint, path: str | Path) -> M:
    """The network with the weights of a file, in evaluation mode."""
    check_fit(checkpoint.tensors, model.state_dict(), f"{path}")
    model.load_state_dict(checkpoint.tensors)
    return model.eval()
