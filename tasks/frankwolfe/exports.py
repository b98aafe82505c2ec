"""Models of the study `frank-wolfe` for use elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gpu.backend import one_thread
from tasks.frankwolfe.config import FrankWolfeConfig
from tasks.frankwolfe.run import CHECKPOINTS
from tasks.frankwolfe.verify import verified
from tasks.nn import load_tensors
from tasks.nn.benches import open_bench
from tasks.nn.config import TrainingSettings
from tasks.nn.exports import ExportedModel, Request, config_again, refuse_item, write_models
from tasks.nn.yardstick import yardstick_of
from tasks.records import InputError, LatticeworkError, Status, Stored

__all__ = ["export_models"]


def export_models(
    stored: Stored, *, item: str = "", best: bool = False, onnx: bool = False, to: str = ""
) -> Iterator[str]:
    """Write a model of a run, verified before; the places of its files (`tasks.nn.exports`).

    Parameters
    ----------
    stored : Stored
    item : str
        Key of the item; by default the model that is best on validation data.
    best : bool
        That one, too.
    onnx : bool
        Whether ``model.onnx`` is written.
    to : str
        Local folder or URI.

    Raises
    ------
    InputError
        For a request that cannot be met, an unknown item or one without a file, or if the data of
        the run are not found.
    LatticeworkError
        If a file is damaged, or its model is not what its row says.
    """
    yield from export_trained(stored, Request(item, best, onnx, to), FrankWolfeConfig)


def export_trained(stored: Stored, wanted: Request, kind: type[TrainingSettings]) -> Iterator[str]:
    """The same for a request, of a run with a config of some class."""
    row = _chosen(stored, wanted.item)
    config = config_again(stored, kind)
    with one_thread():
        bench = open_bench(config)
        # What is written is measured there.
        found = verified(bench, stored.run.path, row, measured=False)
    if found["status"] != Status.OK:
        raise LatticeworkError(f"{row['item']}: {found['reason']}; it is not exported")
    file = load_tensors(f"{stored.run.path}/{CHECKPOINTS}/{row['checkpoint']}.safetensors")
    more = {"loss": row["loss"], "regions": file.extra["regions"]}
    model = ExportedModel(row, file.below("model."), more=more)
    yield from write_models(stored, bench, [(row["item"], model)], wanted)


def _chosen(stored: Stored, item: str) -> Mapping[str, Any]:
    """Row of the model that is asked for."""
    models = stored.rows("models")
    good = [row for row in models if row["checkpoint"] and row["status"] == Status.OK]
    if item:
        for row in good:
            if row["item"] == item:
                return row
        raise refuse_item(stored, item)
    if not good:
        raise InputError(f"run {stored.run.run_id} has no model with a file")
    return max(good, key=yardstick_of(stored.settings).quality)
