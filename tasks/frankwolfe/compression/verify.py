"""Verification of compressed models from the files of their networks.

Every network: its content has the digest it is named by, and every weight is in its region.  Every
compressed model is made again: the smaller module computes what weights of the old shapes do, has
as many parameters and multiplications as its row says, and these weights are as accurate.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import torch
from torch import nn

from gpu.backend import one_thread
from tasks.frankwolfe.compression.config import CompressionConfig
from tasks.frankwolfe.compression.items import CompressionCheck
from tasks.frankwolfe.compression.run import (
    CHECKPOINTS,
    Compressed,
    compressed,
    compressing,
    example_shape,
    read_model,
    smaller_of,
)
from tasks.frankwolfe.layers import gauges_of
from tasks.nn import load_tensors
from tasks.nn.bench import Bench
from tasks.nn.benches import open_bench
from tasks.nn.evaluation import evaluating
from tasks.nn.sparsity.compression import size_of
from tasks.records.rows import Row, Rows
from tasks.records.status import Status
from tasks.records.work import Place

__all__ = ["made_again", "verification_rows", "verified"]

ROUNDING = 1e-5
"""Largest difference of outputs over the largest output, in float32."""
MEASURES = 5e-3
"""Largest difference of accuracies: an image of a few hundred may change sides by rounding."""
NUM_EXAMPLES = 64


def verification_rows(work: CompressionCheck, place: Place, rows: pa.Table) -> Rows:
    """The row of ``verification`` of a compressed model; none of one that failed."""
    [row] = rows.to_pylist()
    if row["status"] != Status.OK:
        return {"verification": []}
    with one_thread():
        bench = open_bench(work.work.config)
        found = verified(bench, work.work.config, place.folder, row)
    return {"verification": [{"item": work.key, **found}]}


def made_again(bench: Bench, config: CompressionConfig, folder: str, row: Row) -> Compressed:
    """The compressed model of a row, normalization re-estimated."""
    parent = read_model(bench, folder, row["parent"])
    made = compressed(bench, parent, compressing(config, row["kind"], row["ratio"]))
    if row["checkpoint"]:  # retrained since
        whole = read_model(bench, folder, row["checkpoint"])
        return Compressed(whole, smaller_of(bench, whole, made.compression), made.compression)
    for model in {id(each): each for each in (made.whole, made.smaller)}.values():
        bench.recalibrate(model)
    return made


def verified(bench: Bench, config: CompressionConfig, folder: str, row: Row) -> dict[str, Any]:
    """Verdict on one compressed model."""
    reasons = []
    gauge = None
    for name in filter(None, (row["parent"], row["checkpoint"])):
        stored = load_tensors(f"{folder}/{CHECKPOINTS}/{name}.safetensors")
        if not stored.digest.startswith(name):
            reasons.append(f"the content of {name} does not have the id that names it")
        if name == row["parent"]:
            found, faults = gauges_of(stored.below("model."), stored.extra["regions"])
            gauge = max(found.values(), default=None)
            reasons += faults
    made = made_again(bench, config, folder, row)
    difference = _difference(bench, made.smaller, made.whole)
    if not difference <= ROUNDING:
        reasons.append(f"the outputs of its smaller module differ by {difference:.2g}")
    size = size_of(made.whole, made.compression, example_shape(bench))
    for name, number in (
        ("parameters", size.parameters),
        ("multiplications", size.multiplications),
        ("bytes", size.num_bytes),
    ):
        if row[name] != number:
            reasons.append(f"it has {number} {name}, its row says {row[name]}")
    test = bench.measure(made.whole, corrupted=False).test
    known = row["r2"] if row["accuracy"] is None else row["accuracy"]
    if known is None or abs(test.quality - known) > MEASURES:
        reasons.append(f"its quality is {test.quality:.4f}, its row says {known}")
    return {
        "status": Status.FAILED if reasons else Status.OK,
        "checkpoint": row["checkpoint"] or row["parent"],
        "reason": "; ".join(reasons),
        "gauge": gauge,
        "difference": difference,
        "accuracy": test.quality,
    }


@torch.no_grad()
def _difference(bench: Bench, smaller: nn.Module, whole: nn.Module) -> float:
    inputs, _ = bench.some_batch(NUM_EXAMPLES)
    with evaluating(smaller), evaluating(whole):
        found, expected = smaller(inputs), whole(inputs)
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-30))
