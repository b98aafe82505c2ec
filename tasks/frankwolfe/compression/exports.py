"""Models of the study `compression-aware` for use elsewhere, smaller modules among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from gpu.backend import one_thread
from tasks.frankwolfe.compression.config import CompressionConfig
from tasks.frankwolfe.compression.results import Results
from tasks.frankwolfe.compression.run import read_model, smaller_of
from tasks.frankwolfe.compression.verify import made_again, verified
from tasks.nn.bench import Bench
from tasks.nn.benches import open_bench
from tasks.nn.exports import ExportedModel, Request, config_again, refuse_item, write_models
from tasks.records import InputError, LatticeworkError, Status, Stored

__all__ = ["export_models"]

Row = Mapping[str, Any]


def export_models(
    stored: Stored, *, item: str = "", best: bool = False, onnx: bool = False, to: str = ""
) -> Iterator[str]:
    """Write a model of a run, made again and verified; the places of its files.

    The program of a compressed model is that of the smaller module (`tasks.nn.exports`).

    Parameters
    ----------
    stored : Stored
    item : str
        Key of a training (``group_k_support-0``) or of a compression
        (``group_k_support-0.filters-0.2``); by default the network that is best on validation data.
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
    wanted = Request(item, best, onnx, to)
    row = _chosen(stored, item)
    config = config_again(stored, CompressionConfig)
    with one_thread():
        bench = open_bench(config)
        exported = (
            _compressed(bench, config, stored, row)
            if "kind" in row
            else ExportedModel(
                row, read_model(bench, stored.run.path, row["checkpoint"]).state_dict()
            )
        )
    yield from write_models(stored, bench, [(row["item"], exported)], wanted)


def _compressed(bench: Bench, config: CompressionConfig, stored: Stored, row: Row) -> ExportedModel:
    folder = stored.run.path
    found = verified(bench, config, folder, row)
    if found["status"] != Status.OK:
        raise LatticeworkError(f"{row['item']}: {found['reason']}; it is not exported")
    made = made_again(bench, config, folder, row)
    plan = made.compression

    def smaller(network: nn.Module) -> nn.Module:
        return smaller_of(bench, network, plan)

    is_smaller = bool(plan.kept or plan.ranks)
    return ExportedModel(
        {**row, "checkpoint": row["checkpoint"] or row["parent"]},
        made.whole.state_dict(),
        masks=plan.masks,
        smaller=smaller if is_smaller else None,
        more={"kind": row["kind"], "ratio": row["ratio"], "ranks": dict(plan.ranks)},
        provenance={"parent": row["parent"]},
    )


def _chosen(stored: Stored, item: str) -> Row:
    """Row of the model that is asked for."""
    models, compressed = (stored.rows(name) for name in ("models", "compressed"))
    good = [r for r in (*models, *compressed) if r["status"] == Status.OK]
    with_files = [r for r in good if r.get("checkpoint") or r.get("parent")]
    if item:
        for row in with_files:
            if row["item"] == item:
                return row
        raise refuse_item(stored, item, "compressed")
    networks = [row for row in with_files if "kind" not in row]
    if not networks:
        raise InputError(f"run {stored.run.run_id} has no model with a file")
    return max(networks, key=Results(stored).by.quality)
