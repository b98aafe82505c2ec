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
from tasks.nn.exports import about_model, config_again, refuse_item, write_model
from tasks.nn.yardstick import yardstick_of
from tasks.records import InputError, LatticeworkError, Status, Stored
from tasks.records.volume import Volume

__all__ = ["export_models"]


def export_models(stored: Stored, *, item: str = "", to: str = "") -> Iterator[str]:
    """Write a model of a run, verified before; the places of its files (`tasks.nn.exports`).

    Parameters
    ----------
    stored : Stored
    item : str
        Key of the item; by default the model that is best on validation data.
    to : str
        Local folder or URI.

    Raises
    ------
    InputError
        Without a folder, for an unknown item or one without a file, or if the data of the run
        are not found.
    LatticeworkError
        If a file is damaged, or its model is not what its row says.
    """
    if not to:
        raise InputError("export needs a folder: give --to FOLDER")
    row = _chosen(stored, item)
    config = config_again(stored, FrankWolfeConfig)
    with one_thread():
        bench = open_bench(config)
        found = verified(bench, stored.run.path, row)
    if found["status"] != Status.OK:
        raise LatticeworkError(f"{row['item']}: {found['reason']}; it is not exported")
    path = f"{stored.run.path}/{CHECKPOINTS}/{row['checkpoint']}.safetensors"
    file = load_tensors(path)
    about = about_model(stored, bench, row, loss=row["loss"], regions=file.extra["regions"])
    yield from write_model(Volume.open(to), row["item"], file.below("model."), about)


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
