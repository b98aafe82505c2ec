"""Verification of stored models from their files alone.

For every model: the file's content has the digest it is named by; every weight with a region is in
it, by its gauge in float64; and accuracy and loss on the test data are those of the row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from gpu.backend import one_thread
from tasks.frankwolfe.items import ModelCheck
from tasks.frankwolfe.layers import gauges_of
from tasks.frankwolfe.run import CHECKPOINTS
from tasks.nn import Evaluation, check_fit, load_tensors
from tasks.nn.bench import Bench
from tasks.nn.benches import open_bench
from tasks.nn.objectives import Fitness
from tasks.records.rows import Row, Rows
from tasks.records.status import Status
from tasks.records.work import Place


def verification_rows(work: ModelCheck, place: Place, models: pa.Table) -> Rows:
    """Rows of ``verification``: one for each model of an item that has a file."""
    with one_thread():
        bench = open_bench(work.config)
        rows = [
            {"item": work.key, **verified(bench, place.folder, row)}
            for row in models.to_pylist()
            if row["checkpoint"]
        ]
    return {"verification": rows}


def verified(bench: Bench, folder: str, row: Row, *, measured: bool = True) -> dict[str, Any]:
    """Verdict on one model; without its measures if they are not wanted."""
    path = f"{folder}/{CHECKPOINTS}/{row['checkpoint']}.safetensors"
    stored, model = load_tensors(path), bench.new_model(0)
    weights = stored.below("model.")
    check_fit(weights, model.state_dict(), path)
    model.load_state_dict(weights)
    reasons = []
    if not stored.digest.startswith(row["checkpoint"]):
        reasons.append("its content does not have the id that names it")
    gauges, faults = gauges_of(weights, stored.extra["regions"])
    reasons += faults
    test = bench.measure(model, corrupted=False).test if measured else None
    reasons += _differs(row, test) if test else ()
    return {
        "status": Status.FAILED if reasons else Status.OK,
        "checkpoint": row["checkpoint"],
        "reason": "; ".join(reasons),
        "gauge": max(gauges.values(), default=None),
        "accuracy": test.quality if test else None,
    }


def _differs(row: Row, found: Evaluation | Fitness) -> Iterator[str]:
    # Of a model trained on a GPU a few images may change sides.
    name = "r2" if isinstance(found, Fitness) else "accuracy"
    if abs(found.quality - row[name]) > 1e-3:
        yield f"its {name} is {found.quality:.4f}, the row says {row[name]:.4f}"
    if row["loss"] is not None and not abs(found.loss - row["loss"]) <= 1e-3 * (1 + row["loss"]):
        yield f"its loss is {found.loss:.4f}, the row says {row['loss']:.4f}"
