"""The flow `tcurve-sweep`: triangulations and sign vectors in, real schemes out, one by one.

Three steps: *sweep* (one call per shard: sign vectors evaluated on a CPU or a GPU), *verify* (one
call per triangulation: its shards merged to a histogram, every witness derived again by an
independent algorithm, the schemes held against the classification), *report*. A shard that fails is
a row with a status; the others go on, and the flow ends as Failed with one line that says why.
Running the flow again does exactly the shards that are missing, damaged or not ok.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

import pyarrow as pa
from prefect import flow
from prefect.client.schemas.objects import State

from flows import FLOWS
from flows.calls import SweepPayloads
from flows.progress import announce
from flows.recipes.sweeps import degree6
from flows.steps import (
    Stage,
    Tables,
    device_profile,
    final_state,
    guarded,
    run_stage,
    run_step,
)
from flows.stored import Problem, find_problems, items_left, open_run, stored_statuses
from flows.sweep_reports import publish_report
from tasks.records import Run, Status
from tasks.tcurves import (
    SHARD_SCHEMA,
    SWEEP_SCHEMA,
    SWEEP_SUMMARY_TABLES,
    SWEEP_TABLES,
    Scheme,
    SweepConfig,
    SweepPlan,
    SweepResult,
    check_sweep_device,
    failed_sweep_item,
    plan_sweep,
    run_sweep_item,
    summarize_sweep,
    unclassified_schemes,
)
from workers import Executor, connect

__all__ = ["SweepTally", "tcurve_sweep"]

logger = logging.getLogger(__name__)

ENTRY = FLOWS["tcurve-sweep"]
SHARD_KEY, TRIANGULATION_KEY = "item", "triangulation"
DEFAULT_CONFIG = degree6()


@flow(name=ENTRY.name, persist_result=False)
def tcurve_sweep(
    config: SweepConfig = DEFAULT_CONFIG, store: str = "", ray_address: str = "local"
) -> State:
    """Real schemes of chosen sign vectors of many triangulations, evaluated one by one.

    Args:
        config: What to compute; all but its device determines the results and names the run.
        store: Root of the results, a folder or a URI; empty for LATTICEWORK_STORE, else `results`.
        ray_address: Where the calls run: `local`, `serial`, or the address of a Ray cluster.
    """
    return guarded(lambda: _run(config, store, ray_address))


def _run(config: SweepConfig, store: str, ray_address: str) -> State:
    """The three steps, then the state that the stored rows amount to."""
    plan = plan_sweep(config)
    check_sweep_device(config, ray_address)
    run = open_run(ENTRY, plan, store)
    logger.info("run %s in %s", run.run_id, run.path)
    # With everything stored there is no need to wait for Ray.
    address = ray_address if _problems(plan, run) else "serial"
    if address != "serial":
        announce("starting Ray" if address == "local" else f"connecting to Ray at {address}")
    with connect(address) as executor:
        run_stage(sweep_stage(plan, run, executor), run, executor)
        run_stage(summary_stage(plan, run), run, executor)
    announce("report")
    run_step("report", publish_report, run)
    problems = _problems(plan, run)
    run.finish(status="partial" if problems else None, tables=SWEEP_TABLES)
    done = f"{len(plan.items)} shards of {len(plan.shards)} triangulations"
    return final_state(run, problems, done, total=len(plan.items))


def _problems(plan: SweepPlan, run: Run) -> list[Problem]:
    """What is not ok: shards first, then triangulations all of whose shards are ok."""
    shards = find_problems(run, SWEEP_TABLES, SHARD_KEY)
    failed = {problem.item for problem in shards}
    whole = [
        name for name, items in plan.shards.items() if not any(item.key in failed for item in items)
    ]
    return shards + find_problems(run, SWEEP_SUMMARY_TABLES, TRIANGULATION_KEY, whole)


def sweep_stage(plan: SweepPlan, run: Run, executor: Executor) -> Stage:
    """All shards that are left to do."""
    left = set(items_left(run, SWEEP_TABLES, SHARD_KEY))
    payloads = {item.key: item for item in plan.items if item.key in left}
    return Stage(
        "sweep",
        run_sweep_item,
        failed_sweep_item,
        payloads,
        profile=device_profile(plan.items[0].config.device, executor),
        tally=SweepTally(run),
    )


def summary_stage(plan: SweepPlan, run: Run) -> Stage:
    """The summaries that are left to do, of triangulations all of whose shards are ok."""
    statuses = stored_statuses(run, "shards", SHARD_KEY)
    whole = [
        items[0]
        for items in plan.shards.values()
        if all(statuses.get(item.key, ("", ""))[0] == Status.OK for item in items)
    ]
    names = [item.triangulation.name for item in whole]
    left = set(items_left(run, SWEEP_SUMMARY_TABLES, TRIANGULATION_KEY, names))
    payloads = SweepPayloads(run, [item for item in whole if item.triangulation.name in left])
    return Stage("verify", summarize_sweep, failed_summary, payloads, prefix="verify.")


def failed_summary(result: SweepResult, kind: str, message: str) -> Mapping[str, pa.Table]:
    """No rows: a summary that could not be made says nothing, and stays to be done."""
    logger.error("%s was not summed up (%s): %s", result.triangulation.name, kind, message)
    return {}


class SweepTally:
    """Evaluations, their rate and the schemes found, over all triangulations.

    Parameters
    ----------
    run : Run
        Shards that it holds are counted, but not in the rate.
    """

    def __init__(self, run: Run) -> None:
        self.evaluations = 0
        self.schemes: set[tuple[int, str]] = set()
        self.unclassified: set[tuple[int, str]] = set()
        self.newest = ""
        self._add(
            run.read("sweep", schema=SWEEP_SCHEMA, on_corrupt="skip"),
            run.read("shards", schema=SHARD_SCHEMA, on_corrupt="skip"),
        )
        self._before = self.evaluations
        self._started = time.monotonic()

    def add(self, tables: Tables) -> None:
        """Take a shard into account."""
        self._add(tables["sweep"], tables["shards"])

    def _add(self, sweep: pa.Table, shards: pa.Table) -> None:
        """Take some shards into account."""
        self.evaluations += sum(filter(None, shards["evaluations"].to_pylist()))
        columns = (shards[name].to_pylist() for name in ("triangulation", "degree"))
        degrees = dict(zip(*columns, strict=True))
        pairs = sweep.select(["triangulation", "scheme", "item"]).to_pylist()
        for row in pairs:
            found = (degrees[row["triangulation"]], row["scheme"])
            if found not in self.schemes:
                self.schemes.add(found)
                self.newest = row["item"]
                if unclassified_schemes([Scheme.parse(found[1])], found[0]):
                    self.unclassified.add(found)

    def describe(self) -> str:
        """One phrase: evaluations, rate, schemes, where the newest was found."""
        seconds = time.monotonic() - self._started
        rate = int((self.evaluations - self._before) / max(seconds, 1e-3))
        phrase = (
            f"{self.evaluations:,} evaluations, {rate:,} per second, {len(self.schemes)} schemes"
        )
        if self.newest:
            phrase += f" (newest in {self.newest})"
        if self.unclassified:
            phrase += f", {len(self.unclassified)} of them not in the classification"
        return phrase
