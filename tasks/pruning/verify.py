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
from tasks.pruning.items import PruningItem
from tasks.pruning.schema import VERIFICATION_SCHEMA
from tasks.pruning.sparse_models import SparseModel, load_sparse, mask_id, num_stray
from tasks.pruning.tables import rows_table
from tasks.pruning.workbench import Workbench
from tasks.records import Status


def verify_item(item: PruningItem) -> dict[str, pa.Table]:
    """Table ``verification``: a row for each checkpoint that `item.needs` names."""
    bench = Workbench.open(item.config)
    rows = [_verified(item, bench, need.checkpoint, need.method) for need in item.needs]
    return {"verification": rows_table(VERIFICATION_SCHEMA, rows, item.identity)}


def _verified(
    item: PruningItem, bench: Workbench, checkpoint: str, method: str
) -> tuple[Status, dict[str, Any]]:
    sparse, stored = load_sparse(item.folder, checkpoint, bench.new_model(0))
    reasons = list(_faults(item, bench, sparse, method, stored.extra))
    if stored.digest[: len(checkpoint)] != checkpoint:
        reasons.append("its content does not have the id that names it")
    values = {
        "item": item.key,
        "checkpoint": checkpoint,
        "reason": "; ".join(reasons),
        "kept": sparse.num_kept,
        "stray": num_stray(sparse),
    }
    return Status.FAILED if reasons else Status.OK, values


def _faults(
    item: PruningItem, bench: Workbench, sparse: SparseModel, method: str, extra: dict[str, Any]
) -> Iterator[str]:
    """What is wrong with a model."""
    if mask_id(sparse.masks) != extra["mask"]:
        yield "its masks do not have the id that the file states"
    if not extra.get("is_dense") and num_stray(sparse):
        yield f"{num_stray(sparse)} pruned weights are not zero"
    if item.config.granularity == "weights":
        size = sum(w.numel() for w in prunable_weights(sparse.model).values())
        wanted = total_kept(size, extra["target"])
        if sparse.num_kept != wanted:
            yield f"{sparse.num_kept} of {size} weights are kept, {wanted} were wanted"
    if method == "soup":
        for parent in extra["parents"]:
            _, member = load_sparse(item.folder, parent, bench.new_model(0))
            if member.extra["mask"] != extra["mask"]:
                yield f"its masks differ from those of its member {parent}"
