"""Models that leave a stored run: plain weights beside all that is needed to use them elsewhere.

Each goes to a folder of its own.

    model.safetensors   the state dict, pruned weights as zeros
    masks.safetensors   of pruned models: boolean, by name of the parameter, true where it is kept
    model.pt2           a program that runs with PyTorch alone (`tasks.nn.programs`)
    model.onnx          the same as ONNX, if it is wanted
    model.json          network, inputs, outputs, measures, what is left of it, where it comes from

Before anything is written, the bytes of ``model.safetensors`` are read into a new network, which is
measured again; it is the one that becomes a program.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from typing import Any, TypeVar

from safetensors.torch import load as parse_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor, nn

from gpu.backend import one_thread
from tasks.nn.bench import Bench, Measures
from tasks.nn.config import TrainingSettings
from tasks.nn.data.datasets import expanded
from tasks.nn.data.sources import FOLDER_VARIABLE
from tasks.nn.files import plain_tensor
from tasks.nn.objectives import Fitness
from tasks.nn.plan import CODE, data_inputs
from tasks.nn.programs import Description, check_onnx, export_program, onnx_bytes, program_bytes
from tasks.nn.sparsity import Masks, count_multiplications, prunable_weights
from tasks.records import InputError, LatticeworkError, Stored
from tasks.records.own_code import look_in
from tasks.records.volume import Volume

__all__ = ["ExportedModel", "Request", "config_again", "refuse_item", "write_models"]

FILES = ("model.safetensors", "masks.safetensors", "model.pt2", "model.onnx", "model.json")
ROUNDING = 0.005
"""Difference of measures that another device may make."""
Config = TypeVar("Config", bound=TrainingSettings)
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """What is to be exported, and where to.

    Raises
    ------
    InputError
        Without a folder, for an item and the best model at once, or for ONNX without its packages.
    """

    item: str = ""
    best: bool = False
    onnx: bool = False
    to: str = ""

    def __post_init__(self) -> None:
        if not self.to:
            raise InputError("export needs a folder: give --to FOLDER")
        if expanded(self.to).is_file():
            raise InputError(f"--to {self.to} is a file; give a folder")
        if self.item and self.best:
            raise InputError("--best chooses the model, and so does --item: give one of them")
        if self.onnx:
            check_onnx()


@dataclass(frozen=True, eq=False)
class ExportedModel:
    """A model of a run.

    Attributes
    ----------
    row : mapping
        Of ``models``.
    weights : mapping of Tensor
        State dict with the masks in force.
    masks : Masks
        Empty for a model that is not pruned.
    smaller : callable, optional
        Makes the network without pruned filters of the whole one.
    more, provenance : mapping
        Entries of the field for ``model.json``.
    """

    row: Row
    weights: Mapping[str, Tensor]
    masks: Masks = field(default_factory=dict)
    smaller: Callable[[nn.Module], nn.Module] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)


# --- the run ------------------------------------------------------------------------------------


def config_again(stored: Stored, config_class: type[Config]) -> Config:
    """The config of a run, with data, networks and weights where they were when it last ran.

    Raises
    ------
    InputError
        If these are not there, or are not those of the run.
    """
    places = dict(stored.places)
    for folder in places.pop(CODE, ()):
        look_in(folder)
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


def refuse_item(stored: Stored, item: str, *tables: str) -> InputError:
    """Why nothing is there of an item, in ``models`` and other tables of models."""
    run_id = stored.run.run_id
    models = [row for table in ("models", *tables) for row in stored.rows(table)]
    rows = [row for row in models if row["item"] == item]
    if rows:
        reason = rows[0]["reason"] or "it has no file"
        return InputError(f"item {item} of run {run_id} has no model: {reason}")
    close = get_close_matches(item, list(dict.fromkeys(row["item"] for row in models)), n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return InputError(f"run {run_id} has no item {item}{hint}")


# --- files --------------------------------------------------------------------------------------


def write_models(
    stored: Stored, bench: Bench, models: Iterable[tuple[str, ExportedModel]], wanted: Request
) -> Iterator[str]:
    """Write models to folders of these names; where their files are, and what is left out.

    Raises
    ------
    LatticeworkError
        If a model that is read again is not what its row says.
    """
    place = Volume.open(wanted.to)
    for folder, model in models:
        content, reasons = _files(stored, bench, model, onnx=wanted.onnx)
        for name in FILES:
            path = f"{folder}/{name}"
            if name in content:
                place.write(path, content[name])
                yield place.location(path)
            elif place.exists(path):
                place.remove(path)  # of another model
        for name, reason in reasons.items():
            yield f"{place.location(folder)}: {name} is left out: {reason}"


def _files(
    stored: Stored, bench: Bench, model: ExportedModel, *, onnx: bool
) -> tuple[dict[str, bytes], dict[str, str]]:
    """Content of the files of a model, and why some are left out."""
    content = {"model.safetensors": _dumped(model.weights)}
    if model.masks:
        content["masks.safetensors"] = _dumped(model.masks)
    network = bench.new_model(0)
    network.load_state_dict(parse_tensors(content["model.safetensors"]))
    measures = _measured_again(bench, network, model.row)
    smaller = model.smaller(network) if model.smaller else None
    programs, reasons = _programs(bench, smaller or network, network, onnx=onnx)
    content |= {name: data for name, (data, _) in programs.items()}
    about = {
        **bench.describe(),
        **model.more,
        **_measures(measures),
        **_sizes(bench, network, model.masks, smaller),
        "programs": [described for _, described in programs.values()],
        "left out": reasons,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in content.items()},
        "provenance": _provenance(stored, bench, model),
    }
    content["model.json"] = f"{json.dumps(about, indent=2)}\n".encode()
    return content, reasons


def _dumped(tensors: Mapping[str, Tensor]) -> bytes:
    return dump_tensors({name: plain_tensor(tensor) for name, tensor in tensors.items()})


def _measured_again(bench: Bench, network: nn.Module, row: Row) -> Measures:
    """Measures of a network that was read again; refuse those that its row does not have."""
    with one_thread():
        measures = bench.measure(network, corrupted=False)
    for part, prefix in ((measures.validation, "validation_"), (measures.test, "")):
        quality = f"{prefix}{'r2' if isinstance(part, Fitness) else 'accuracy'}"
        for column, found in ((quality, part.quality), (f"{prefix}loss", part.loss)):
            known = row[column]
            if known is not None and not abs(found - known) <= ROUNDING * max(1, abs(known)):
                raise LatticeworkError(
                    f"{row['item']}: its file has {column} {found:.4f}, its row says {known:.4f}; "
                    "it is not exported"
                )
    return measures


def _programs(
    bench: Bench, network: nn.Module, whole: nn.Module, *, onnx: bool
) -> tuple[dict[str, tuple[bytes, Any]], dict[str, str]]:
    """Content and description of the programs of a network, and why some are left out."""
    found: dict[str, tuple[bytes, Any]] = {}
    name, reasons = "model.pt2", {}
    try:
        about = Description.read(bench.describe())
        program = export_program(network, about, whole)
        found[name] = program_bytes(program), about.of_program(name)
        if onnx:
            name = "model.onnx"
            found[name] = onnx_bytes(program, about), about.of_program(name)
    except InputError as error:
        reasons = dict.fromkeys((name, "model.onnx") if onnx else (name,), f"{error}")
    return found, reasons


def _measures(found: Measures) -> dict[str, Any]:
    """Measures on test and validation data; the one that counts stands first."""
    name = "r2" if isinstance(found.test, Fitness) else "accuracy"
    parts = {"test": asdict(found.test), "validation": asdict(found.validation)}
    finite = {
        part: {key: value if math.isfinite(value) else None for key, value in values.items()}
        for part, values in parts.items()
    }
    return {name: found.test.quality, "measured again": finite}


def _sizes(
    bench: Bench, network: nn.Module, masks: Masks, smaller: nn.Module | None
) -> dict[str, Any]:
    """Parameters and multiplications per example, of the dense network and what is left of it."""
    dense = _num_entries(network)
    pruned = sum(int((~mask).sum()) for mask in masks.values())
    left = _num_entries(smaller) if smaller else dense - pruned
    sizes: dict[str, Any] = {"parameters": {"dense": dense, "left": left}}
    shape = bench.describe()["architecture"].get("shape")
    if shape is None:
        return sizes
    try:
        weights = {name: masks[name] for name in prunable_weights(network) if name in masks}
        counts = count_multiplications(network, tuple(shape), weights)
        few = count_multiplications(smaller, tuple(shape)).dense if smaller else counts.sparse
    except InputError:  # of a network without layers that are counted
        return sizes
    return {**sizes, "multiplications": {"dense": counts.dense, "left": few}}


def _num_entries(network: nn.Module) -> int:
    """Of all parameters, also of those that are not trained."""
    return sum(parameter.numel() for parameter in network.parameters())


def _provenance(stored: Stored, bench: Bench, model: ExportedModel) -> dict[str, Any]:
    """Where a model comes from."""
    run, row = stored.run, model.row
    return {
        "run": f"{run.identity.flow}/{run.run_id}",
        "code version": row["code_version"],
        "dataset": bench.config.data_name,
        "item": row["item"],
        "method": row["method"],
        "checkpoint": row["checkpoint"],
        **model.provenance,
    }
