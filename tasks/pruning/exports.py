"""Models that leave a stored run: plain weights beside all that is needed to use them elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from torch import Tensor, nn

from gpu.backend import one_thread
from tasks.nn.exports import about_model, config_again, refuse_item, write_model
from tasks.nn.sparsity import apply_masks
from tasks.pruning.config import ImpConfig, SoupConfig, TrainingConfig
from tasks.pruning.imp import masked_copy
from tasks.pruning.lineage import Provenance
from tasks.pruning.setups import Setup
from tasks.pruning.sparse_models import load_sparse
from tasks.pruning.verify import verified
from tasks.records import InputError, LatticeworkError, Status, Stored
from tasks.records.volume import Volume

__all__ = ["export_models"]

CONFIGS: Mapping[str, type[TrainingConfig]] = {"sparse-soup": SoupConfig, "imp": ImpConfig}
ROUNDING = 0.005
"""Difference of accuracies that another device may make."""


def export_models(stored: Stored, *, item: str = "", to: str = "") -> Iterator[str]:
    """Write models of a run, each verified before; the places of their files.

    Each goes to a folder of its own: ``model.safetensors`` has the state dict, pruned weights as
    zeros, and ``model.json`` the network's name and shape, the normalization of its inputs, and
    where the model comes from.

    Parameters
    ----------
    stored : Stored
    item : str
        Key of the item whose models are written; by default the last soup of every repetition.
    to : str
        Local folder or URI.

    Raises
    ------
    InputError
        Without a folder, or if there is no such item, or none of its models has a file, or if the
        images of the run are not found.
    LatticeworkError
        If a file is damaged, or its model is not what its row says.
    """
    if not to:
        raise InputError("export needs a folder: give --to FOLDER")
    rows = _chosen(stored, item)
    config = config_again(stored, CONFIGS[stored.run.identity.flow])
    setup = Setup.open(config)
    counts, place = Counter(row["item"] for row in rows), Volume.open(to)
    for row in rows:
        folder = row["item"] + (f".m{row['member']}" if counts[row["item"]] > 1 else "")
        yield from write_model(place, folder, *_exported(stored, setup, row))


def _chosen(stored: Stored, item: str) -> list[dict[str, Any]]:
    """Rows of the models that are asked for."""
    run_id, models = stored.run.run_id, stored.rows("models")
    good = [row for row in models if row["checkpoint"] and row["status"] == Status.OK]
    if item:
        found = [row for row in good if row["item"] == item]
        if not found:
            raise refuse_item(stored, item)
        return found
    soups = [row for row in good if row["method"] == "soup"]
    last = max((row["phase"] for row in soups), default=0)
    if not soups:
        example = f", such as {good[-1]['item']}" if good else ""
        raise InputError(f"run {run_id} has no soups; name an item with --item{example}")
    return [row for row in soups if row["phase"] == last]


def _exported(
    stored: Stored, setup: Setup, row: Mapping[str, Any]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights of a model with its masks in force, and what is to be known of it."""
    checkpoint, folder = row["checkpoint"], stored.run.path
    found = verified(setup, folder, checkpoint, row["method"])
    if found["status"] != Status.OK:
        raise LatticeworkError(f"{row['item']}: {found['reason']}; it is not exported")
    sparse, file = load_sparse(folder, checkpoint, setup.new_model(0))
    provenance = Provenance.read(file.extra)
    if provenance.is_dense:
        with one_thread():
            model = masked_copy(setup, sparse)
        _check_accuracy(setup, model, row)
    else:
        model = sparse.model
        apply_masks(model, sparse.masks)
    made = {"parents": row["parents"], **asdict(provenance)}
    about = about_model(stored, setup, row, sparsity=row["sparsity"], provenance=made)
    return model.state_dict(), about


def _check_accuracy(setup: Setup, model: nn.Module, row: Mapping[str, Any]) -> None:
    """Refuse a model that was evaluated otherwise than it can be made again."""
    accuracy = setup.measure(model, corrupted=False).test.quality
    if abs(accuracy - row["accuracy"]) > ROUNDING:
        raise LatticeworkError(
            f"{row['item']}: accuracy {accuracy:.4f} on the test images, its row says "
            f"{row['accuracy']:.4f}; it is not exported"
        )
