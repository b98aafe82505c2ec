"""Models that leave a stored run: plain weights beside all that is needed to use them elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from gpu.backend import one_thread
from tasks.nn.exports import ExportedModel, Request, config_again, refuse_item, write_models
from tasks.nn.sparsity import apply_masks
from tasks.nn.yardstick import yardstick_of
from tasks.pruning.config import ImpConfig, SoupConfig, TrainingConfig
from tasks.pruning.criteria import without_pruned_filters
from tasks.pruning.imp import masked_copy
from tasks.pruning.lineage import Provenance
from tasks.pruning.setups import Setup
from tasks.pruning.sparse_models import load_sparse
from tasks.pruning.statistics import best_row
from tasks.pruning.verify import verified
from tasks.records import InputError, LatticeworkError, Status, Stored

__all__ = ["export_models"]

Row = Mapping[str, Any]
CONFIGS: Mapping[str, type[TrainingConfig]] = {"sparse-soup": SoupConfig, "imp": ImpConfig}


def export_models(
    stored: Stored, *, item: str = "", best: bool = False, onnx: bool = False, to: str = ""
) -> Iterator[str]:
    """Write models of a run, each verified before; the places of their files (`tasks.nn.exports`).

    Parameters
    ----------
    stored : Stored
    item : str
        Key of the item whose models are written; by default the last soup of every repetition.
    best : bool
        The model that is best on validation data (`best_row`) in their place.
    onnx : bool
        Whether ``model.onnx`` is written.
    to : str
        Local folder or URI.

    Raises
    ------
    InputError
        For a request that cannot be met, for an unknown item or one without a
        file, or if the data of the run are not found.
    LatticeworkError
        If a file is damaged, or its model is not what its row says.
    """
    wanted = Request(item, best, onnx, to)
    rows = [_best(stored)] if best else _chosen(stored, item)
    setup = Setup.open(config_again(stored, CONFIGS[stored.run.identity.flow]))
    models = ((_folder(row, rows), _exported(stored, setup, row)) for row in rows)
    yield from write_models(stored, setup, models, wanted)


def _best(stored: Stored) -> Row:
    """Row of the model that is best on validation data."""
    row = best_row(stored.rows("models"), yardstick_of(stored.settings))
    if row is None:
        raise InputError(
            f"run {stored.run.run_id} has no retrained or merged model with a file; name an item "
            "with --item"
        )
    return row


def _chosen(stored: Stored, item: str) -> list[dict[str, Any]]:
    """Rows of the models that are asked for."""
    run_id, models = stored.run.run_id, stored.rows("models")
    good = [row for row in models if row["checkpoint"] and row["status"] == Status.OK]
    if item:
        found = [row for row in good if row["item"] == item]
        if not found:
            raise refuse_item(stored, item)
        return found
    soups = [row for row in good if row["method"].startswith("soup")]
    last = max((row["phase"] for row in soups), default=0)
    if not soups:
        example = f", such as {good[-1]['item']}" if good else ""
        raise InputError(f"run {run_id} has no soups; name an item with --item{example}")
    return [row for row in soups if row["phase"] == last]


def _folder(row: Row, rows: Sequence[Row]) -> str:
    """Name of a folder: the item, and what tells its models apart."""
    of_item = [each for each in rows if each["item"] == row["item"]]
    by_member = {each["member"] for each in of_item}
    by_method = Counter(each["method"] for each in of_item)
    if len(of_item) == 1:
        return row["item"]
    if len(by_member) == len(of_item):
        return f"{row['item']}.m{row['member']}"
    number = f".m{row['member']}" if by_method[row["method"]] > 1 else ""
    return f"{row['item']}.{row['method']}{number}"


def _exported(stored: Stored, setup: Setup, row: Row) -> ExportedModel:
    """A model with its masks in force."""
    checkpoint, folder = row["checkpoint"], stored.run.path
    found = verified(setup, folder, checkpoint, row["method"])
    if found["status"] != Status.OK:
        raise LatticeworkError(f"{row['item']}: {found['reason']}; it is not exported")
    sparse, file = load_sparse(folder, checkpoint, setup.new_model(0))
    provenance = Provenance.read(file.extra)
    if provenance.is_dense:
        with one_thread():
            model = masked_copy(setup, sparse)
    else:
        model = sparse.model
        apply_masks(model, sparse.masks)
    is_pruned = not all(bool(mask.all()) for mask in sparse.masks.values())
    of_filters = is_pruned and setup.config.granularity == "filters"
    cut = partial(without_pruned_filters, masks=sparse.masks, shape=setup.dataset.shape)
    return ExportedModel(
        row,
        model.state_dict(),
        masks=sparse.masks if is_pruned else {},
        smaller=cut if of_filters else None,
        more={"sparsity": row["sparsity"]},
        provenance={"parents": row["parents"], **asdict(provenance)},
    )
