"""What a study that trains networks needs before anything is trained: data, networks, devices.

Importing this module needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gpu.backend import cuda_problem
from tasks.nn.config import TrainingSettings
from tasks.records.canonical import fingerprint
from tasks.records.errors import InputError
from tasks.records.own_code import code_folder, find_code
from tasks.records.work import Inputs, Resources

__all__ = ["CODE", "check_training", "data_inputs", "training_resources"]

_BUILT_IN = ("digits", "synthetic")
HERE = ("local", "serial")
CODE = "code"
"""Among the places of a run: folders of modules of one's own."""


def data_inputs(config: TrainingSettings) -> Inputs:
    """The content of what does not come with the package: data, networks and weights.

    Raises
    ------
    InputError
        If something is missing or damaged.
    """
    code = {key: find_code(each) for key, each in config.own_code().items()}
    contents = {key: each.digest for key, each in code.items()}
    if config.data or config.dataset not in _BUILT_IN:
        contents[config.data_name] = digest = _data_digest(config)
        if "data" in code:
            code["data"] = replace(code["data"], content=digest)
    weights = config.weight_files()
    contents |= {key: _weights_digest(files) for key, files in weights.items()}
    named = {**config.own_code(), **({"data": config.data} if config.data else {})}
    places = {key: getattr(config, key) for key in (*named, *weights)}
    settings = {key: _ends(place) for key, place in places.items()}
    if config.data:  # in whose place the data set is not read
        settings["dataset"] = type(config).model_fields["dataset"].default
    if config.data_folder:
        places["data_folder"] = config.data_folder
    if folders := sorted({code_folder(each) for each in config.own_code().values()} - {""}):
        places[CODE] = folders
    return Inputs(
        contents,
        _together(contents, config.data_name),
        settings=settings,
        code=tuple(code.values()),
        places=places,
    )


def check_training(config: TrainingSettings, address: str = "") -> None:
    """Refuse data that cannot be read, a network that does not fit them, or a device that is not
    there.

    Raises
    ------
    InputError
        If something is missing or damaged, if there are too few examples, or if the network fails
        on them.
    """
    if config.device == "cuda" and address in HERE and (problem := cuda_problem()):
        raise InputError(f"device=cuda cannot be used here: {problem}")
    # Imported here: planning needs no PyTorch.
    from tasks.nn.benches import open_bench
    from tasks.nn.workbench import Workbench

    bench = open_bench(config)
    if not isinstance(bench, Workbench):
        _ = bench.steps_per_epoch  # refuses what is too short
        return
    images = bench.dataset
    if not len(images.validation):
        raise InputError(
            f"{len(images.train)} training images leave none for validation, "
            "which takes every tenth; give more"
        )
    if config.flip and not images.has_pictures:
        raise InputError(f"flip mirrors pictures, and {config.data_name} has none: leave it out")
    bench.check_network()


def training_resources(config: TrainingSettings) -> Resources:
    """What a training needs."""
    return Resources(config.device)


def _data_digest(config: TrainingSettings) -> str:
    # Imported here: planning needs no PyTorch.
    from tasks.nn.benches import open_bench

    # Without the weights, which need not fit yet.
    without: dict[str, Any] = dict.fromkeys(config.weight_files(), ())
    if "checkpoint" in without:
        without["checkpoint"] = ""
    return open_bench(config.model_copy(update=without)).digest()


def _weights_digest(files: Sequence[str]) -> str:
    # Imported here: planning needs no PyTorch.
    from tasks.nn.starts import read_start

    digests = [read_start(file).digest() for file in files]
    return digests[0] if len(digests) == 1 else fingerprint(digests)


def _together(contents: dict[str, str], data: str) -> str | None:
    """What items are made from: the data alone, or all contents."""
    return contents.get(data) if contents.keys() <= {data} else fingerprint(contents)


def _ends(place: str | Sequence[str]) -> str | list[str]:
    """Places without their folders, which do not name a run."""
    if isinstance(place, str):
        return place.rstrip("/").rpartition("/")[2]
    return [str(_ends(each)) for each in place]
