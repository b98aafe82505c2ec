"""What the flows `sparse-soup` and `imp` share: stages that hand checkpoints on by id.

An item of a stage is linked to the checkpoints that earlier stages stored just before its stage
runs; between stages only ids travel, the weights lie in the folder of the run. A training that was
killed goes on from its own checkpoint when it is called again. At the end every stored model is
verified from its file alone. A run that is started again reads the models that it has, and makes
damaged ones anew as it does missing ones.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from prefect.client.schemas.objects import State

from flows import FlowEntry
from flows.progress import announce
from flows.steps import Stage, device_profile, final_state, run_stage, run_step
from flows.stored import Problem, find_problems, items_left, open_run
from tasks.pruning import (
    MODELS_SCHEMA,
    PRUNING_TABLES,
    VERIFICATION_SCHEMA,
    VERIFICATION_TABLES,
    CheckpointBytes,
    Need,
    PruningItem,
    PruningPlan,
    check_pruning,
    checkpoint_path,
    failed_pruning_item,
    failed_verification,
    is_damaged_model,
    link,
    run_pruning_item,
    shared_checkpoints,
    verify_pruning_item,
)
from tasks.records import Run
from workers import Executor, connect

__all__ = ["run_pruning"]

logger = logging.getLogger(__name__)

KEY = "item"


def run_pruning(
    entry: FlowEntry,
    plan: PruningPlan,
    publish: Callable[[Run], None],
    *,
    store: str,
    ray_address: str,
) -> State:
    """All stages, verification and report; then the state that the stored rows amount to."""
    config = plan.items[0].config
    check_pruning(config, ray_address)
    run = open_run(entry, plan, store)
    logger.info("run %s in %s", run.run_id, run.path)
    remove_damaged(run)
    is_done = not any(_left(items, run) for items in plan.stages.values()) and not _unverified(run)
    # With everything stored there is no need to wait for Ray.
    address = "serial" if is_done else ray_address
    if address != "serial":
        announce("starting Ray" if address == "local" else f"connecting to Ray at {address}")
    with connect(address) as executor:
        for name, items in plan.stages.items():
            run_stage(training_stage(name, items, run, executor), run, executor)
        run_stage(verification_stage(plan, run), run, executor)
    announce("report")
    run_step("report", publish, run)
    problems = _problems(run)
    run.finish(status="partial" if problems else None)
    return final_state(run, problems, f"{len(plan.items)} items", total=len(plan.items))


def training_stage(name: str, items: Sequence[PruningItem], run: Run, executor: Executor) -> Stage:
    """What is left of a stage, linked to what it needs.

    A model that several items start from is read from the store once and shipped once.
    """
    profile = device_profile(items[0].config.device, executor)
    device = "cuda" if profile.gpus else "cpu"
    left = _left(items, run)
    payloads = {item.key: replace(item, folder=run.path, device=device) for item in left}
    shares = shared_checkpoints(left)
    return Stage(
        name,
        run_pruning_item,
        failed_pruning_item,
        payloads,
        profile=profile,
        shared=_contents(run, {checkpoint for names in shares.values() for checkpoint in names}),
        shares=shares,
    )


def verification_stage(plan: PruningPlan, run: Run) -> Stage:
    """Verify every stored model that was not verified."""
    left = set(_unverified(run))
    found: dict[str, list[Need]] = {}
    for row in stored_models(run):
        if row["checkpoint"]:
            need = Need(row["method"], row["phase"], row["member"], row["checkpoint"])
            found.setdefault(row[KEY], []).append(need)
    payloads = {
        item.key: replace(item, needs=tuple(found.get(item.key, ())), folder=run.path)
        for item in plan.items
        if item.key in left
    }
    return Stage("verify", verify_pruning_item, failed_verification, payloads, prefix="verify.")


def remove_damaged(run: Run) -> None:
    """Remove stored models that are not what was written, so that their items are done again.

    A digest of half a gigabyte takes about a second.
    """
    checkpoints = dict.fromkeys(
        row["checkpoint"] for row in stored_models(run) if _is_there(run, row)
    )
    if checkpoints:
        announce(f"checking {len(checkpoints)} models")
    for checkpoint in checkpoints:
        if is_damaged_model(run.path, checkpoint):
            path = checkpoint_path(checkpoint)
            run.volume.remove(path)
            logger.warning("%s: is damaged; it is removed and will be made again", path)


def stored_models(run: Run) -> list[dict[str, Any]]:
    """Rows of the table of models."""
    return run.read("models", schema=MODELS_SCHEMA, on_corrupt="skip").to_pylist()


def _left(items: Sequence[PruningItem], run: Run) -> list[PruningItem]:
    """Items to be done, linked: missing, not ok, their file is gone, or made from other models.

    The last happens when a member that was missing from a soup has been trained since.
    """
    rows = stored_models(run)
    planned = [item.key for item in items]
    left = set(items_left(run, PRUNING_TABLES, KEY, planned))
    left |= {row[KEY] for row in rows if row["checkpoint"] and not _is_there(run, row)}
    parents = {row[KEY]: row["parents"] for row in rows}
    linked = [link(item, rows) for item in items]
    return [
        item
        for item in linked
        if item.key in left or parents[item.key] != [need.checkpoint for need in item.needs]
    ]


def _contents(run: Run, checkpoints: Iterable[str]) -> dict[str, CheckpointBytes]:
    """Stored models as bytes; on a local disk these are mapped, not read, until they are needed."""
    return {
        each: CheckpointBytes(
            each, np.frombuffer(run.volume.read(checkpoint_path(each)), dtype=np.uint8)
        )
        for each in checkpoints
    }


def _is_there(run: Run, row: Mapping[str, Any]) -> bool:
    checkpoint = row["checkpoint"]
    return bool(checkpoint) and run.volume.exists(checkpoint_path(checkpoint))


def _unverified(run: Run) -> list[str]:
    """Items whose models were not verified since they were stored."""
    left = set(items_left(run, VERIFICATION_TABLES, KEY))
    rows = run.read("verification", schema=VERIFICATION_SCHEMA, on_corrupt="skip").to_pylist()
    checked = {(row[KEY], row["checkpoint"]) for row in rows}
    for row in stored_models(run):
        if row["checkpoint"] and (row[KEY], row["checkpoint"]) not in checked:
            left.add(row[KEY])
    return [item for item in run.planned if item in left]


def _problems(run: Run) -> list[Problem]:
    problems = {p.item: p for p in find_problems(run, VERIFICATION_TABLES, KEY)}
    problems |= {p.item: p for p in find_problems(run, PRUNING_TABLES, KEY)}
    return [problems[item] for item in run.planned if item in problems]
