"""Weights that everything starts from: state dicts of one's own.

    FILE.safetensors
    FILE.pt, .pth, .bin, .ckpt    of torch.save, read without running any code in it
    FOLDER                        with model.safetensors and model.json, as `export` writes it

Of a dictionary with more than weights the entry state_dict, model_state_dict or model counts. A
beginning that all names share and the network's do not, such as ``module.``, is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from torch import Tensor, nn

from tasks.nn.files import check_fit, tensors_digest
from tasks.records import InputError
from tasks.records.volume import Volume

__all__ = ["Start", "read_masks", "read_start", "read_state", "start_of"]

_ENTRIES = ("state_dict", "model_state_dict", "model")
_PICKLES = (".pt", ".pth", ".bin", ".ckpt")
_WANTED = "wanted is a state dict as .safetensors or .pt (torch.save(model.state_dict(), FILE))"


@dataclass(frozen=True, eq=False)
class Start:
    """A state dict, and what is known of its inputs and outputs.

    Attributes
    ----------
    place : str
    weights : mapping of Tensor
    about : mapping
        Content of ``model.json``; empty for a file.
    """

    place: str
    weights: Mapping[str, Tensor]
    about: Mapping[str, Any]

    def digest(self) -> str:
        """64 hex digits that equal weights share."""
        return tensors_digest(self.weights)

    def load_into(self, model: nn.Module) -> None:
        """Give a network these weights.

        Raises
        ------
        InputError
            If names or shapes are not those of the network, naming the first that differs.
        """
        wanted = model.state_dict()
        weights = self.fitted(wanted)
        check_fit(weights, wanted, self.place)
        for name, tensor in weights.items():
            if _kind(tensor) != _kind(wanted[name]):
                raise InputError(
                    f"{name} has type {tensor.dtype} in {self.place}, the network has "
                    f"{wanted[name].dtype}"
                )
        model.load_state_dict(dict(weights))

    def fitted(self, wanted: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The weights without a beginning that all names share and no wanted one has."""
        given, known = self.weights, wanted.keys()
        while given and not given.keys() & known:
            beginnings = {name.partition(".")[0] for name in given if "." in name}
            if len(beginnings) != 1 or not all("." in name for name in given):
                break
            given = {name.partition(".")[2]: value for name, value in given.items()}
        return given if given.keys() & known else self.weights


def read_start(place: str) -> Start:
    """State dict of a file or an exported folder.

    Raises
    ------
    InputError
        If it is missing, cannot be read without running code, or if weights are not finite.
    """
    if place.lower().endswith("/model.safetensors") and Volume.open(_folder(place)).exists(
        "model.json"
    ):
        return read_start(_folder(place))
    if _is_file(place):
        return Start(place, read_state(place), {})
    if Path(place).expanduser().is_file():
        raise InputError(
            f"checkpoint {place} has an ending that is not known; known are .safetensors, "
            f"{', '.join(_PICKLES)}"
        )
    volume = Volume.open(place)
    if volume.exists("model.safetensors") and not volume.exists("model.json"):
        raise InputError(
            f"checkpoint {place} has no model.json, so it was not exported: name its file "
            "model.safetensors instead"
        )
    if not (volume.exists("model.safetensors") and volume.exists("model.json")):
        raise InputError(
            f"checkpoint {place}: the file does not exist; {_WANTED}, or an exported folder"
        )
    try:
        about = json.loads(bytes(volume.read("model.json")))
    except ValueError as error:
        raise InputError(f"checkpoint {place}: model.json is damaged: {error}") from error
    if not isinstance(about, dict):
        raise InputError(f"checkpoint {place}: model.json is damaged: it holds no object")
    return Start(place, read_state(f"{place.rstrip('/')}/model.safetensors"), about)


def read_masks(place: str) -> dict[str, Tensor]:
    """Masks that were stored with a state dict; empty without any.

    Raises
    ------
    InputError
        If they cannot be read, or are not boolean.
    """
    is_file = _is_file(place)
    inside = _tensors(place) if is_file else {}
    found = {n.removeprefix("mask."): t for n, t in inside.items() if n.startswith("mask.")}
    folder = place.rpartition("/")[0] or "." if is_file else place.rstrip("/")
    # Beside a file of another name there may be masks of another model.
    own = not is_file or place.rpartition("/")[2] == "model.safetensors"
    if not found and own and Volume.open(folder).exists("masks.safetensors"):
        found = _tensors(f"{folder}/masks.safetensors")
    for name, mask in found.items():
        if mask.dtype != torch.bool:
            raise InputError(f"masks of {place}: {name} has type {mask.dtype}, not torch.bool")
    return found


def read_state(place: str) -> dict[str, Tensor]:
    """Tensors of a state dict by name, on the CPU.

    Raises
    ------
    InputError
        If the file does not exist, it does not hold weights, or entries are not finite.
    """
    found = _tensors(place)
    if any(name.startswith("mask.") for name in found):  # as runs store models
        found = {n.removeprefix("model."): t for n, t in found.items() if n.startswith("model.")}
    for key, tensor in found.items():
        if (tensor.is_floating_point() or tensor.is_complex()) and not tensor.isfinite().all():
            raise InputError(f"checkpoint {place}: {key} has entries that are not finite")
    return found


def _folder(place: str) -> str:
    return place.rpartition("/")[0] or "."


def _tensors(place: str) -> dict[str, Tensor]:
    folder, _, name = place.rpartition("/")
    volume = Volume.open(folder or ".")
    if not volume.exists(name):
        raise InputError(f"checkpoint {place}: the file does not exist")
    content = bytes(volume.read(name))
    is_safe = name.lower().endswith(".safetensors")
    return _safe(place, content) if is_safe else _unpickled(place, content)


def _is_file(place: str) -> bool:
    return place.lower().endswith((".safetensors", *_PICKLES))


def _kind(tensor: Tensor) -> str:
    """Whole numbers, real or complex ones."""
    return "complex" if tensor.is_complex() else "real" if tensor.is_floating_point() else "whole"


def _safe(place: str, content: bytes) -> dict[str, Tensor]:
    try:
        return parse_tensors(content)
    except (SafetensorError, ValueError) as error:
        raise InputError(f"checkpoint {place} is damaged or no safetensors: {error}") from error


def _unpickled(place: str, content: bytes) -> dict[str, Tensor]:
    try:
        found = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:
        why = "it is damaged, or not of torch.save"
        if "weights_only" in str(error):
            why = "it is a pickle with more than tensors, which could run code"
        raise InputError(f"checkpoint {place} cannot be read: {why}; {_WANTED}") from error
    if not isinstance(found, Mapping) or not found:
        raise InputError(f"checkpoint {place} is not a state dict; {_WANTED}")
    inner = next((found[n] for n in _ENTRIES if isinstance(found.get(n), Mapping)), found)
    for key, value in inner.items():
        if not isinstance(value, Tensor) or value.layout != torch.strided:
            what = f"{value.layout}" if isinstance(value, Tensor) else type(value).__name__
            known = ", ".join(str(name) for name in [*found][:5])
            raise InputError(
                f"checkpoint {place} is not a state dict: {key} is {what}; "
                f"its entries are {known}; {_WANTED}"
            )
    return dict(inner)


@lru_cache(maxsize=2)
def _cached(place: str, stamp: tuple[int, ...] | None) -> Start:
    del stamp
    return read_start(place)


def start_of(config: Any) -> Start | None:
    """What the trainings of a config start from, read once as long as the file does not change."""
    files = [file for group in config.weight_files().values() for file in group]
    if not files:
        return None
    place = files[0].rstrip("/")
    folder, _, name = place.rpartition("/")
    volume = Volume.open(folder or ".")
    if not _is_file(name):
        volume, name = Volume.open(place), "model.safetensors"
    return _cached(files[0], volume.stamp(name))
