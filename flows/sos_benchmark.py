"""The flow `sos-benchmark`: methods for choosing a basis, side by side on the same polynomials.

Two steps: *trials* (one call per batch of polynomials, each decided by every method) and *report*
(rates with intervals, sizes, times). A trial that fails or runs into its limit is a row with a
status and counts as a failure. A batch that failed as a whole is none: it has no rows, and running
the flow again does it like those that are missing or damaged.
"""

from __future__ import annotations

import logging

from prefect import flow
from prefect.client.schemas.objects import State

from flows import FLOWS
from flows.progress import announce
from flows.recipes.sos_benchmarks import planted
from flows.sos_benchmark_reports import publish_report
from flows.steps import Stage, Tables, final_state, guarded, run_stage, run_step
from flows.stored import Problem, open_run
from tasks.records import Run
from tasks.sos.benchmarking.config import BenchmarkConfig
from tasks.sos.benchmarking.run import (
    BENCHMARK_TABLES,
    BenchmarkItem,
    BenchmarkPlan,
    plan_benchmark,
    run_benchmark_item,
)
from workers import connect

__all__ = ["sos_benchmark"]

logger = logging.getLogger(__name__)

ENTRY = FLOWS["sos-benchmark"]
DEFAULT_CONFIG = planted()


@flow(name=ENTRY.name, persist_result=False)
def sos_benchmark(
    config: BenchmarkConfig = DEFAULT_CONFIG, store: str = "", ray_address: str = "local"
) -> State:
    """Compare methods for choosing a monomial basis on the same polynomials.

    Args:
        config: Polynomials, methods and limits; all of it names the run.
        store: Root of the results, a folder or a URI; empty for LATTICEWORK_STORE, else `results`.
        ray_address: Where the calls run: `local`, `serial`, or the address of a Ray cluster.
    """
    return guarded(lambda: _run(config, store, ray_address))


def _run(config: BenchmarkConfig, store: str, ray_address: str) -> State:
    """The two steps, then the state that the stored rows amount to."""
    plan = plan_benchmark(config)
    run = open_run(ENTRY, plan, store)
    logger.info("run %s in %s", run.run_id, run.path)
    # With everything stored there is no need to wait for Ray.
    address = ray_address if run.pending(run.planned, BENCHMARK_TABLES) else "serial"
    if address != "serial":
        announce("starting Ray" if address == "local" else f"connecting to Ray at {address}")
    with connect(address) as executor:
        run_stage(trial_stage(plan, run), run, executor)
    announce("report")
    run_step("report", publish_report, run)
    problems = _problems(run)
    run.finish(status="partial" if problems else None)
    return final_state(run, problems, f"{plan.num_trials} trials", total=len(plan.items))


def trial_stage(plan: BenchmarkPlan, run: Run) -> Stage:
    """All batches that are left to do; a trial that was stopped is a result, and not made again."""
    left = set(run.pending(run.planned, BENCHMARK_TABLES))
    payloads = {item.key: item for item in plan.items if item.key in left}
    return Stage("trials", run_benchmark_item, failed_batch, payloads)


def failed_batch(item: BenchmarkItem, kind: str, message: str) -> Tables:
    """No rows: the methods are not what failed, so the batch stays to be done."""
    logger.error("batch %s was not decided (%s): %s", item.key, kind, message)
    return {}


def _problems(run: Run) -> list[Problem]:
    """Batches that are not stored."""
    again = "run the same command again"
    return [Problem(key, "unfinished", again) for key in run.pending(run.planned, BENCHMARK_TABLES)]
