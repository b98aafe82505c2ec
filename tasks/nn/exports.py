"""Models that leave a stored run: plain weights beside all that is needed to use them elsewhere.

Each goes to a folder of its own: ``model.safetensors`` has the state dict, and ``model.json`` the
network, what its inputs are, and where the model comes from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from safetensors.torch import save as dump_tensors
from torch import Tensor

from tasks.nn.bench import Bench
from tasks.nn.config import TrainingSettings
from tasks.nn.data.datasets import expanded
from tasks.nn.data.sources import FOLDER_VARIABLE
from tasks.nn.plan import data_inputs
from tasks.records import InputError, Stored
from tasks.records.volume import Volume

__all__ = ["about_model", "config_again", "refuse_item", "write_model"]

Config = TypeVar("Config", bound=TrainingSettings)


def config_again(stored: Stored, config_class: type[Config]) -> Config:
    """The config of a run, with data, networks and weights where they were when it last ran.

    Raises
    ------
    InputError
        If these are not there, or are not those of the run.
    """
    places = dict(stored.places)
    if "data_folder" in places and not expanded(places["data_folder"]).exists():
        del places["data_folder"]
    seed = {"seed": stored.run.identity.seed}
    config = config_class.model_validate({**stored.settings, **places, **seed})
    _check_same(stored, config)
    return config


def _check_same(stored: Stored, config: TrainingSettings) -> None:
    """Refuse data, networks and weights that are not those of the run."""
    try:
        contents = data_inputs(config).contents
    except InputError as error:
        hint = "" if config.data else f": set {FOLDER_VARIABLE} to the data_folder of the run"
        raise InputError(f"{error}{hint}") from error
    known = dict(stored.run.identity.inputs)
    for name in sorted(contents.keys() | known.keys()):
        if contents.get(name) != known.get(name):
            what = {"model": "code", "checkpoint": "weights"}.get(name, "data")
            raise InputError(
                f"{name} has other {what} now than the run had: bring those back"
                + ("" if config.own_code() or config.data else f", or set {FOLDER_VARIABLE}")
            )


def refuse_item(stored: Stored, item: str) -> InputError:
    """Why nothing is there of an item."""
    models, run_id = stored.rows("models"), stored.run.run_id
    rows = [row for row in models if row["item"] == item]
    if rows:
        reason = rows[0]["reason"] or "it has no file"
        return InputError(f"item {item} of run {run_id} has no model: {reason}")
    close = get_close_matches(item, list(dict.fromkeys(row["item"] for row in models)), n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return InputError(f"run {run_id} has no item {item}{hint}")


def about_model(
    stored: Stored, bench: Bench, row: Mapping[str, Any], **more: Any
) -> dict[str, Any]:
    """What is to be known of the model of a row of ``models``.

    Parameters
    ----------
    stored : Stored
    bench : Bench
    row : mapping
    **more
        Entries of the field; those of ``provenance`` are added to the usual ones.
    """
    run = stored.run
    provenance = {
        "run": f"{run.identity.flow}/{run.run_id}",
        "code version": row["code_version"],
        "dataset": bench.config.dataset,
        "item": row["item"],
        "method": row["method"],
        "checkpoint": row["checkpoint"],
        **more.pop("provenance", {}),
    }
    return {**bench.describe(), **more, "accuracy": row["accuracy"], "provenance": provenance}


def write_model(
    place: Volume, folder: str, weights: Mapping[str, Tensor], about: Mapping[str, Any]
) -> Iterator[str]:
    """Write both files of a model; where they are."""
    tensors = {name: tensor.detach().contiguous() for name, tensor in weights.items()}
    files = {
        "model.safetensors": dump_tensors(tensors),
        "model.json": f"{json.dumps(about, indent=2)}\n".encode(),
    }
    for name, content in files.items():
        place.write(f"{folder}/{name}", content)
        yield place.location(f"{folder}/{name}")
