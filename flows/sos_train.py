"""The flow `sos-train`: families of polynomials in, a network that predicts bases out.

Two steps: *train* (one call: training, calibration, comparison with the rule even-sqrt on held-out
polynomials, the model file), *report* (artifacts and curves). The call saves its state every so
many steps in the folder of the run: running the flow again goes on from there, and on the CPU ends
with the same weights to the last bit.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from prefect import flow
from prefect.client.schemas.objects import State

from flows import FLOWS
from flows.progress import announce
from flows.recipes.sos_training import small
from flows.sos_train_reports import publish_report
from flows.steps import Stage, device_profile, final_state, guarded, run_stage, run_step
from flows.stored import find_problems, items_left, open_run
from tasks.records import Run
from tasks.sos.prediction.config import TrainConfig
from tasks.sos.prediction.plan import (
    TRAIN_TABLES,
    TrainPlan,
    failed_train_item,
    is_stored_model,
    plan_train,
    run_train_item,
)
from workers import Executor, connect

__all__ = ["sos_train"]

logger = logging.getLogger(__name__)

ENTRY = FLOWS["sos-train"]
KEY = "item"
DEFAULT_CONFIG = small()


@flow(name=ENTRY.name, persist_result=False)
def sos_train(
    config: TrainConfig = DEFAULT_CONFIG, store: str = "", ray_address: str = "local"
) -> State:
    """Train a network that predicts the monomial bases of sums of squares.

    Args:
        config: What to learn and how; all but its device determines the results and names the run.
        store: Root of the results, a folder or a URI; empty for LATTICEWORK_STORE, else `results`.
        ray_address: Where the calls run: `local`, `serial`, or the address of a Ray cluster.
    """
    return guarded(lambda: _run(config, store, ray_address))


def _run(config: TrainConfig, store: str, ray_address: str) -> State:
    """Train and report, then the state that the stored rows amount to."""
    plan = plan_train(config)
    run = open_run(ENTRY, plan, store)
    logger.info("run %s in %s", run.run_id, run.path)
    left = _left(run)
    # With everything stored there is no need to wait for Ray.
    address = ray_address if left else "serial"
    if address != "serial":
        announce("starting Ray" if address == "local" else f"connecting to Ray at {address}")
    with connect(address) as executor:
        run_stage(train_stage(plan, run, executor, left), run, executor)
    announce("report")
    run_step("report", publish_report, run)
    problems = find_problems(run, ("models",), KEY)
    run.finish(status="partial" if problems else None)
    return final_state(run, problems, "the training", total=len(plan.items))


def _left(run: Run) -> list[str]:
    """Trainings that are not stored, or whose model file is not the one that was stored."""
    left = items_left(run, TRAIN_TABLES, KEY)
    stored = [] if left else run.read("models").to_pylist()
    return left + [row[KEY] for row in stored if not is_stored_model(run.path, row["digest"])]


def train_stage(plan: TrainPlan, run: Run, executor: Executor, left: list[str]) -> Stage:
    """The trainings that are left to do."""
    payloads = {item.key: replace(item, folder=run.path) for item in plan.items if item.key in left}
    config = plan.items[0].config
    profile = device_profile(config.device, executor)
    if config.processes > 1:
        name = "gpus" if profile.gpus else "cpus"
        profile = profile.model_copy(update={name: float(config.processes)})
    return Stage("train", run_train_item, failed_train_item, payloads, profile=profile)
