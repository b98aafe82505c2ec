"""Predictions of an exported model for pictures and arrays.

The program ``model.pt2`` of the folder is what predicts; without it the network is made
again as ``architecture`` in ``model.json`` says, and gets the weights of ``model.safetensors``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from json import dumps, loads
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tasks.nn.data.arrays import example_inputs, read_npz
from tasks.nn.data.pictures import MODES, read_picture
from tasks.nn.models import build_model
from tasks.nn.models.own import build_own
from tasks.nn.programs import Description, Standalone, plain_reason, read_program
from tasks.nn.starts import read_start
from tasks.records import InputError
from tasks.records.errors import printable
from tasks.records.own_code import is_reference
from tasks.records.report import counted
from tasks.records.volume import Volume

__all__ = ["Predictor", "predict"]

TOP = 3
"""Classes that are named for an example."""
_ARRAYS = (".npy", ".npz")
_BATCH = 256


@dataclass(frozen=True, eq=False)
class Predictor:
    """An exported model.

    Attributes
    ----------
    model : torch.nn.Module
        From raw inputs float32 (N, ...) to probabilities or values (N, K).
    about : Description
    """

    model: nn.Module
    about: Description

    @classmethod
    def open(cls, folder: str, model: str = "") -> Predictor:
        """The model of a folder.

        Parameters
        ----------
        folder : str
        model : str
            Function that makes the network where the program is missing; code that the folder names
            itself is never run.

        Raises
        ------
        InputError
            If it has no model, if files are damaged or not those that ``model.json`` names, or if
            the network cannot be made again.
        """
        if Path(folder).is_file():
            raise InputError(f"{folder} is a file; wanted is the folder of an exported model")
        place = Volume.open(folder)
        content = _described(place, folder)
        try:
            about = Description.read(content)
            if not place.exists("model.pt2"):
                return cls(_made_again(folder, content, about, model), about)
            program = bytes(place.read("model.pt2"))
            if content["files"]["model.pt2"] != hashlib.sha256(program).hexdigest():
                raise InputError("model.pt2 is damaged, or of another model than model.json")
            return cls(read_program(program), about)
        except InputError as error:
            raise InputError(f"{folder}: {error}") from error
        except (KeyError, TypeError) as error:
            raise InputError(f"{folder}: model.json does not tell of model.pt2") from error

    def __call__(self, inputs: Tensor) -> Tensor:
        """Probabilities or values (N, K) of raw inputs.

        Raises
        ------
        InputError
            If the network fails.
        """
        try:
            with torch.no_grad():
                return torch.cat([self.model(part.float()) for part in inputs.split(_BATCH)])
        except Exception as error:
            raise InputError(f"the model fails on its inputs: {plain_reason(error)}") from error


def predict(
    *, folder: str, files: Sequence[str], json: bool = False, model: str = ""
) -> Iterator[str]:
    """Predictions for all examples of some files, a line each.

    Parameters
    ----------
    folder : str
        That was exported, local or a URI.
    files : sequence of str
        Pictures, ``.npy`` of examples, or ``.npz`` with examples as x.
    json : bool
        Lines are JSON objects.
    model : str
        Function that makes the network, for folders without a program.

    Raises
    ------
    InputError
        For a folder without a model; at the end for files that cannot be used.
    """
    predictor, problems = Predictor.open(folder, model), []
    for file in files:
        try:
            inputs = _read(file, predictor.about)
        except InputError as error:
            problems.append(f"{error}")
            continue
        is_array = file.endswith(_ARRAYS)
        for number, found in enumerate(predictor(inputs).tolist()):
            answer = {"file": file, **({"example": number} if is_array else {})}
            answer |= _answer(found, predictor.about)
            yield dumps(answer) if json else _line(answer)
    if problems:
        others = counted(len(problems) - 1, "other file")
        raise InputError(problems[0] + (f"; and so with {others}" if problems[1:] else ""))


def _answer(found: Sequence[float], about: Description) -> dict[str, Any]:
    """What is said of an example."""
    if not about.classes:
        return {"values": list(found)}
    best = sorted(range(len(found)), key=lambda k: -found[k])[:TOP]
    return {"classes": [{"class": about.classes[k], "probability": found[k]} for k in best]}


def _line(answer: Mapping[str, Any]) -> str:
    """The same for people."""
    name = answer["file"] + (f"[{answer['example']}]" if "example" in answer else "")
    if "values" in answer:
        said = [f"{value:.6g}" for value in answer["values"]]
    else:
        said = [f"{each['class']} {100 * each['probability']:.1f} %" for each in answer["classes"]]
    return printable(f"{name}: {', '.join(said)}")


# --- the model ----------------------------------------------------------------------------------


def _described(place: Volume, folder: str) -> dict[str, Any]:
    """Content of ``model.json``."""
    if not place.exists("model.json"):
        inner = [e.base_name for e in place.entries() if place.exists(f"{e.base_name}/model.json")]
        hint = f"; did you mean {folder.rstrip('/')}/{inner[0]}?" if inner else ""
        raise InputError(f"{folder}: found no exported model, with model.json{hint}")
    try:
        content = loads(bytes(place.read("model.json")))
    except ValueError as error:
        raise InputError(f"{folder}: model.json is damaged: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{folder}: model.json is damaged: it holds no object")
    return content


def _made_again(
    folder: str, content: Mapping[str, Any], about: Description, model: str
) -> nn.Module:
    """The network of a function, or a built-in one by its name, with its weights."""
    name = content["architecture"].get("name")
    if not isinstance(name, str):
        raise InputError("model.json names no network")
    if model:
        network = build_own(model, about.shape, about.num_outputs, seed=0)
    elif is_reference(name):
        raise InputError(
            f"model.pt2 is missing, and code that a folder names ({name}) is not run: name the "
            "network by --model package.module:function"
        )
    else:
        network = build_model(name, about.shape, about.num_outputs, seed=0)
    read_start(folder).load_into(network)
    return Standalone(network, about).eval()


# --- examples -----------------------------------------------------------------------------------


def _read(file: str, about: Description) -> Tensor:
    """Raw inputs (N, ...) of a file."""
    if not file.endswith(_ARRAYS):
        return _read_picture(file, about)
    given = read_npz(file) if file.endswith(".npz") else {"x": _read_npy(file)}
    if "x" not in given:
        raise InputError(f"{file} has no array x; it has {', '.join(given) or 'none'}")
    values = given["x"]
    found = example_inputs(file, _as_bytes(file, values) if about.takes_pictures else values)
    if tuple(found.shape[1:]) != about.shape:
        raise InputError(
            f"{file}: examples have shape {tuple(found.shape[1:])}, the model takes {about.shape}"
        )
    return found


def _as_bytes(file: str, values: np.ndarray) -> np.ndarray:
    """Pictures as bytes, also if they are whole numbers of another type."""
    if values.dtype.kind in "iu" and values.size and values.min() >= 0 and values.max() <= 255:
        return values.astype(np.uint8)
    raise InputError(
        f"{file} has numbers of type {values.dtype}; the model takes pictures as bytes, 0 to 255"
    )


def _read_npy(file: str) -> np.ndarray:
    content = _content(file)
    try:
        found = np.load(BytesIO(content), allow_pickle=False)
    except Exception as error:
        raise InputError(f"{file} is damaged, or no .npy file of numbers (np.save)") from error
    if not isinstance(found, np.ndarray):
        raise InputError(f"{file} is not an .npy file, but an archive of arrays: call it .npz")
    return found


def _read_picture(file: str, about: Description) -> Tensor:
    if not about.takes_pictures or about.shape[0] not in MODES:
        raise InputError(
            f"{file}: the model takes numbers of shape {about.shape}, not pictures: give them as "
            ".npy or .npz"
        )
    channels, height, width = about.shape
    source = BytesIO(_content(file))
    picture = read_picture(source, (height, width), channels=channels, name=file)
    return torch.from_numpy(np.array(picture.values))[None]


def _content(file: str) -> bytes:
    folder, _, name = file.rpartition("/")
    volume = Volume.open(folder or ("/" if file.startswith("/") else "."))
    if not volume.exists(name):
        raise InputError(f"{file}: the file does not exist")
    return bytes(volume.read(name))
