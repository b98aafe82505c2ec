"""The flow `sos-dataset`: a grid of families in, Arrow shards of polynomials out.

Two steps: *generate* (one call per shard) and *report* (the card of every data set, figures, what a
hundred million would cost). A shard that fails is a card with a status; the others go on, and the
flow ends as Failed with one line that says why. Running the flow again does exactly the shards that
are missing, damaged or not ok, with the same bytes.
"""

from __future__ import annotations

import logging
import time

from prefect import flow
from prefect.client.schemas.objects import State

from flows import FLOWS
from flows.progress import announce
from flows.recipes.sos_datasets import million
from flows.sos_dataset_reports import publish_report
from flows.steps import Stage, Tables, final_state, guarded, run_stage, run_step
from flows.stored import Problem, find_problems, open_run, stored_statuses
from tasks.records import Run, Status
from tasks.sos.sampling.datasets import (
    DATASET_TABLES,
    DatasetConfig,
    DatasetPlan,
    failed_dataset_item,
    plan_dataset,
    run_dataset_item,
)
from tasks.sos.sampling.schema import CARDS_SCHEMA
from workers import connect

__all__ = ["DatasetTally", "sos_dataset"]

logger = logging.getLogger(__name__)

ENTRY = FLOWS["sos-dataset"]
KEY = "item"
DEFAULT_CONFIG = million()


@flow(name=ENTRY.name, persist_result=False)
def sos_dataset(
    config: DatasetConfig = DEFAULT_CONFIG, store: str = "", ray_address: str = "local"
) -> State:
    """Draw random polynomials whose bases are known, as data sets to train on.

    Args:
        config: What to draw; it determines the results and names the run.
        store: Root of the results, a folder or a URI; empty for LATTICEWORK_STORE, else `results`.
        ray_address: Where the calls run: `local`, `serial`, or the address of a Ray cluster.
    """
    return guarded(lambda: _run(config, store, ray_address))


def _run(config: DatasetConfig, store: str, ray_address: str) -> State:
    """The two steps, then the state that the stored shards amount to."""
    plan = plan_dataset(config)
    run = open_run(ENTRY, plan, store)
    logger.info("run %s in %s", run.run_id, run.path)
    # With everything stored there is no need to wait for Ray.
    address = ray_address if _problems(run) else "serial"
    if address != "serial":
        announce("starting Ray" if address == "local" else f"connecting to Ray at {address}")
    with connect(address) as executor:
        run_stage(generation_stage(plan, run), run, executor)
    announce("report")
    run_step("report", publish_report, run)
    problems = _problems(run)
    run.finish(status="partial" if problems else None)
    done = f"{len(plan.items)} shards of {len(plan.cells)} data sets"
    return final_state(run, problems, done, total=len(plan.items))


def _problems(run: Run) -> list[Problem]:
    """Shards that are missing, damaged or not ok; only cards are read for their status."""
    problems = {p.item: p for p in find_problems(run, ("cards",), KEY)}
    for item in run.pending(run.planned, DATASET_TABLES):
        problems.setdefault(item, Problem(item, "unfinished", "run the same command again"))
    return [problems[item] for item in run.planned if item in problems]


def generation_stage(plan: DatasetPlan, run: Run) -> Stage:
    """All shards that are left to do."""
    left = set(run.pending(run.planned, DATASET_TABLES))
    statuses = stored_statuses(run, "cards", KEY)
    left.update(item for item, (status, _) in statuses.items() if status != Status.OK)
    payloads = {item.key: item for item in plan.items if item.key in left}
    return Stage(
        "generate", run_dataset_item, failed_dataset_item, payloads, tally=DatasetTally(run)
    )


class DatasetTally:
    """Polynomials so far, and their rate.

    Parameters
    ----------
    run : Run
        Shards that it holds are counted, but not in the rate.
    """

    def __init__(self, run: Run) -> None:
        cards = run.read("cards", schema=CARDS_SCHEMA, on_corrupt="skip")
        self.rows = self._before = sum(cards["num_rows"].to_pylist())
        self._started = time.monotonic()

    def add(self, tables: Tables) -> None:
        """Take a shard into account."""
        self.rows += sum(tables["cards"]["num_rows"].to_pylist())

    def describe(self) -> str:
        """One phrase: polynomials and their rate."""
        seconds = time.monotonic() - self._started
        rate = int((self.rows - self._before) / max(seconds, 1e-3))
        return f"{self.rows:,} polynomials, {rate:,} per second"
