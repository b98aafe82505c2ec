"""What the config of an adapter says, and what of it cannot be merged into weights."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.pruning.language.files.tensor_files import TensorFile
from tasks.records import InputError
from tasks.records.errors import abridged, shortened

__all__ = ["CONFIG", "PREFIX", "WEIGHTS", "read_config", "scale_of", "sorted_keys"]

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."

_KEY = re.compile(
    r"base_model\.model\.(?P<module>.+)\.lora_(?P<part>[AB])(\.(?P<name>\w+))?\.weight"
)
_READ = ("peft_type", "r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern", "bias",
         "fan_in_fan_out", "init_lora_weights", "modules_to_save")  # fmt: skip
_WITHOUT_EFFECT = (
    "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "lora_dropout",
    "base_model_name_or_path", "revision", "task_type", "inference_mode", "auto_mapping",
    "peft_version", "runtime_config", "eva_config", "megatron_core", "megatron_config",
    "loftq_config", "corda_config", "qalora_group_size", "ensure_weight_tying",
)  # fmt: skip
"""Entries that say how an adapter came about, not what it adds to the weights."""
_STARTS = (True, False, "gaussian", "eva", "orthogonal")
"""Of A and B; all others change the weights of the base model too."""


def read_config(folder: Path) -> dict[str, Any]:
    """The config of an adapter that can be merged.

    Raises
    ------
    InputError
        Without the files of an adapter, for damaged ones, or naming the entry that stands against.
    """
    where = abridged(str(folder))
    if not (folder / CONFIG).is_file():
        raise InputError(f"{where} has no {CONFIG}; give a folder that peft saved")
    if not (folder / WEIGHTS).is_file():
        pickle = " (adapter_model.bin is a pickle, which is not read: save it as safetensors)"
        hint = pickle if (folder / "adapter_model.bin").is_file() else ""
        raise InputError(f"{where} has no {WEIGHTS}{hint}")
    try:
        config = dict(json.loads((folder / CONFIG).read_bytes()))
    except (ValueError, TypeError) as error:
        raise InputError(f"{abridged(str(folder / CONFIG))} is damaged: {error}") from error
    _refuse_others(where, config)
    return config


def _refuse_others(where: str, config: Mapping[str, Any]) -> None:
    """Refuse what is not a plain product of two matrices."""
    if str(config.get("peft_type", "")).upper() != "LORA":
        kind = shortened(config.get("peft_type"))
        raise InputError(f"adapter {where}: peft_type is {kind}; only LORA can be merged")
    known = {*_READ, *_WITHOUT_EFFECT}
    for name in sorted(name for name, value in config.items() if value and name not in known):
        raise InputError(f"adapter {where} uses {name}, which cannot be merged exactly")
    start = config.get("init_lora_weights", True)
    if start not in _STARTS:
        raise InputError(
            f"adapter {where}: init_lora_weights {shortened(start)} changed the base model too; "
            "save it again with path_initial_model_for_weight_conversion"
        )


def sorted_keys(
    file: TensorFile, config: Mapping[str, Any]
) -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
    """Keys of A and B, and those of parameters that are stored whole; by name of the parameter.

    Raises
    ------
    InputError
        For other tensors, several adapters, or half of one.
    """
    where, parts = abridged(str(file.path.parent)), {}
    replaced, adapters = {}, set()
    for key in file.entries:
        if found := _KEY.fullmatch(key):
            parts.setdefault(f"{found['module']}.weight", {})[found["part"]] = key
            adapters.add(found["name"])
        elif not key.startswith(PREFIX) or ".lora_" in key:
            raise InputError(f"adapter {where} holds {key}, which cannot be merged into weights")
        else:
            replaced[_plain_name(key)] = key
    if len(adapters) > 1:
        raise InputError(f"adapter {where} holds several adapters; give a folder of one")
    if replaced and not config.get("modules_to_save") and config.get("bias", "none") == "none":
        raise InputError(f"adapter {where} holds {next(iter(replaced.values()))} for no reason")
    alone = next((name for name, found in parts.items() if len(found) < 2), None)
    if alone or not (parts or replaced):
        lacks = f"one of A and B of {alone}" if alone else "any A and B"
        raise InputError(f"adapter {where} lacks {lacks}")
    return {name: (found["A"], found["B"]) for name, found in parts.items()}, replaced


def _plain_name(key: str) -> str:
    """Name of a parameter that is stored whole."""
    name = key.removeprefix(PREFIX)
    return re.sub(r"\.(modules_to_save\.\w+|base_layer)\.", ".", name)


def scale_of(
    config: Mapping[str, Any], name: str, file: TensorFile, keys: tuple[str, str]
) -> float:
    """c of one layer.

    Raises
    ------
    InputError
        If A, B and the config disagree about the rank.
    """
    where, module = abridged(str(file.path.parent)), name.removesuffix(".weight")
    a, b = (file.entries[key].shape for key in keys)
    if len(a) != 2 or len(b) != 2:
        raise InputError(f"adapter {where}: A and B of {module} have to be matrices")
    rank = _of_module(config.get("rank_pattern"), module, config.get("r", 8))
    alpha = _of_module(config.get("alpha_pattern"), module, config.get("lora_alpha", 8))
    if not a[0] == b[1] == rank:
        raise InputError(
            f"adapter {where}: {module} has A {list(a)} and B {list(b)}, but rank {rank} is set"
        )
    if not isinstance(alpha, int | float):
        raise InputError(f"adapter {where}: lora_alpha {shortened(alpha)} has to be a number")
    return alpha / (rank**0.5 if config.get("use_rslora") else rank)


def _of_module(patterns: Mapping[str, Any] | None, module: str, default: Any) -> Any:
    """What is set for a module: the first pattern that fits the end of its name."""
    for pattern, value in (patterns or {}).items():
        try:
            if re.match(rf"(.*\.)?({pattern})$", module):
                return value
        except re.error as error:
            raise InputError(f"pattern {shortened(pattern)} of an adapter: {error}") from error
    return default
