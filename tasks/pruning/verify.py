"""Verification of stored models from their files alone.

For every model: the file's content has the digest it is named by; the masks are those of the row
and keep exactly the number of weights that the sparsity demands; every pruned weight is zero; and a
soup has the mask, and so the zeros, of all its members.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from tasks.nn.sparsity import prunable_weights, total_kept
from tasks.pruning.items import ModelCheck
from tasks.pruning.setups import Setup
from tasks.pruning.sparse_models import SparseModel, load_sparse, mask_id, num_stray
from tasks.records.rows import Row, Rows
from tasks.records.status import Status
from tasks.records.work import Place


def verification_rows(work: ModelCheck, place: Place, models: pa.Table) -> Rows:
    """Rows of ``verification``: one for each model of an item that has a file."""
    setup = Setup.open(work.config)
    stored = [(row["checkpoint"], row["method"]) for row in models.to_pylist() if row["checkpoint"]]
    rows = [
        {"item": work.key, **verified(setup, place.folder, checkpoint, method)}
        for checkpoint, method in stored
    ]
    return {"verification": rows}


def known_of_verification(work: ModelCheck) -> list[Row]:
    """What is known of a verification that could not be made."""
    return [{"item": work.key}]


def verified(setup: Setup, folder: str, checkpoint: str, method: str) -> dict[str, Any]:
    """Verdict on one model: its status, what is wrong with it, and what its masks keep."""
    sparse, stored = load_sparse(folder, checkpoint, setup.new_model(0))
    reasons = list(_faults(setup, folder, sparse, method, stored.extra))
    if stored.digest[: len(checkpoint)] != checkpoint:
        reasons.append("its content does not have the id that names it")
    return {
        "status": Status.FAILED if reasons else Status.OK,
        "checkpoint": checkpoint,
        "reason": "; ".join(reasons),
        "kept": sparse.num_kept,
        "stray": num_stray(sparse),
    }


def _faults(
    setup: Setup, folder: str, sparse: SparseModel, method: str, extra: dict[str, Any]
) -> Iterator[str]:
    """What is wrong with a model."""
    if mask_id(sparse.masks) != extra["mask"]:
        yield "its masks do not have the id that the file states"
    if not extra.get("is_dense") and num_stray(sparse):
        yield f"{num_stray(sparse)} pruned weights are not zero"
    if setup.config.granularity == "weights":
        size = sum(w.numel() for w in prunable_weights(sparse.model).values())
        wanted = total_kept(size, extra["target"])
        if sparse.num_kept != wanted:
            yield f"{sparse.num_kept} of {size} weights are kept, {wanted} were wanted"
    if method == "soup":
        for parent in extra["parents"]:
            _, member = load_sparse(folder, parent, setup.new_model(0))
            if member.extra["mask"] != extra["mask"]:
                yield f"its masks differ from those of its member {parent}"
