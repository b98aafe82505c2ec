"""Skeletons: a model whose parameters have shapes and no values, so that a large one costs nothing.

Parameters lie on PyTorch's meta device.  Buffers that no file stores, such as the frequencies of
rotary positions, are real: they follow from the config, and a block cannot run without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from tasks.pruning.language.models.library import quiet, transformers
from tasks.records import InputError

__all__ = ["fill", "move_buffers", "skeleton", "tied_names"]


def skeleton(config: Any, dtype: torch.dtype = torch.float32) -> Any:
    """The causal language model of a config, in evaluation mode.

    Parameters
    ----------
    config : transformers.PreTrainedConfig
        Not changed.
    dtype : torch.dtype
        Of the parameters, and of buffers that follow their type.

    Returns
    -------
    transformers.PreTrainedModel

    Raises
    ------
    InputError
        If the library is missing, or has no causal language model of that config.
    """
    library = transformers("a language model")
    try:
        with quiet(), torch.device("meta"):
            model = library.AutoModelForCausalLM.from_config(
                deepcopy(config), dtype=dtype, trust_remote_code=False
            )
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise InputError(
            f"no causal language model can be made of a config of type {config.model_type}; "
            "looked for one in transformers.AutoModelForCausalLM: " + _first_line(error)
        ) from error
    _make_buffers(model)
    return model.eval()


@torch.no_grad()
def _make_buffers(model: Any) -> None:
    """Give every buffer that files do not hold its value, as the model itself defines it."""
    for module in model.modules():
        own = {name: module._buffers[name] for name in module._non_persistent_buffers_set}
        given = {name: buffer for name, buffer in own.items() if buffer is not None}
        for name, buffer in given.items():
            module._buffers[name] = torch.empty_like(buffer, device="cpu")
        if given:
            model._init_weights(module)


def tied_names(model: nn.Module) -> list[list[str]]:
    """Names of parameters that are one and the same, by group."""
    groups: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        groups.setdefault(id(parameter), []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def fill(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put tensors in the place of a skeleton's parameters and buffers; tied ones stay tied.

    Parameters
    ----------
    module : torch.nn.Module
        Of a skeleton; changed in place.
    tensors : mapping of Tensor
        By name; what is not named stays without values.
    """
    ties = tied_names(module)
    module.load_state_dict(dict(tensors), strict=False, assign=True)
    for names in ties:
        first = next((name for name in names if name in tensors), None)
        for name in names if first else ():
            path, _, leaf = name.rpartition(".")
            setattr(module.get_submodule(path), leaf, module.get_parameter(str(first)))


def move_buffers(module: nn.Module, device: torch.device) -> None:
    """Move buffers that have values, whether parameters have some or not."""
    for part in module.modules():
        for name, buffer in part._buffers.items():
            if buffer is not None and not buffer.is_meta:
                part._buffers[name] = buffer.to(device)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
