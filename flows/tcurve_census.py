"""The flow `tcurve-census`: triangulations in, real schemes of all their T-curves out.

Three steps: *census* (one call per triangulation: exact histogram of the schemes of all sign
classes, a witness per scheme), *verify* (one call per triangulation: every witness derived again
by an independent algorithm), *report* (artifacts and figures). A triangulation that fails, or
would exceed its budget, is a row with a status; the others go on, and the flow ends as Failed with
one line that says why. Running the flow again does exactly what is missing, damaged or not ok.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import pyarrow as pa
from prefect import flow
from prefect.client.schemas.objects import State

from flows import FLOWS
from flows.calls import VerificationPayloads, VerificationWork, verify
from flows.progress import announce
from flows.recipes.tcurves import demo
from flows.reports import publish_report
from flows.steps import Stage, final_state, guarded, run_stage, run_step
from flows.stored import find_problems, items_left, open_run, stored_statuses
from tasks.records import Run, Status
from tasks.tcurves import (
    CENSUS_TABLES,
    VERIFICATION_TABLES,
    CensusConfig,
    CensusPlan,
    failed_census_item,
    plan_census,
    run_census_item,
)
from workers import connect

__all__ = ["tcurve_census"]

logger = logging.getLogger(__name__)

ENTRY = FLOWS["tcurve-census"]
KEY = "triangulation"
DEFAULT_CONFIG = demo()


@flow(name=ENTRY.name, persist_result=False)
def tcurve_census(
    config: CensusConfig = DEFAULT_CONFIG, store: str = "", ray_address: str = "local"
) -> State:
    """Exact census of the real schemes of all T-curves on given triangulations.

    Args:
        config: What to compute; it determines the results and names the run.
        store: Root of the results, a folder or a URI; empty for LATTICEWORK_STORE, else `results`.
        ray_address: Where the calls run: `local`, `serial`, or the address of a Ray cluster.
    """
    return guarded(lambda: _run(config, store, ray_address))


def _run(config: CensusConfig, store: str, ray_address: str) -> State:
    """The three steps, then the state that the stored rows amount to."""
    plan = plan_census(config)
    run = open_run(ENTRY, plan, store)
    logger.info("run %s in %s", run.run_id, run.path)
    # With everything stored there is no need to wait for Ray.
    address = ray_address if _is_unfinished(run) else "serial"
    if address != "serial":
        announce("starting Ray" if address == "local" else f"connecting to Ray at {address}")
    with connect(address) as executor:
        run_stage(census_stage(plan, run), run, executor)
        run_stage(verification_stage(plan, run), run, executor)
    announce("report")
    run_step("report", publish_report, run)
    run.finish()
    problems = find_problems(run, ENTRY.tables, KEY)
    total = len(run.planned)
    return final_state(run, problems, f"{total} triangulations", total=total)


def _is_unfinished(run: Run) -> bool:
    """Whether any item is left to do in any step."""
    return any(items_left(run, tables, KEY) for tables in (CENSUS_TABLES, VERIFICATION_TABLES))


def census_stage(plan: CensusPlan, run: Run) -> Stage:
    """The census of every triangulation that is left to do."""
    left = set(items_left(run, CENSUS_TABLES, KEY))
    payloads = {item.key: item for item in plan.items if item.key in left}
    return Stage("census", run_census_item, failed_census_item, payloads)


def verification_stage(plan: CensusPlan, run: Run) -> Stage:
    """The verification that is left to do, of triangulations whose census is ok."""
    statuses = stored_statuses(run, "summary", KEY)
    left = {
        key
        for key in items_left(run, VERIFICATION_TABLES, KEY)
        if statuses.get(key, ("", ""))[0] == Status.OK
    }
    payloads = VerificationPayloads(run, [item for item in plan.items if item.key in left])
    return Stage("verify", verify, failed_verification, payloads, prefix="verify.")


def failed_verification(work: VerificationWork, kind: str, message: str) -> Mapping[str, pa.Table]:
    """No rows: a verification that could not be made says nothing, and stays to be done."""
    logger.error("%s was not verified (%s): %s", work.item.key, kind, message)
    return {}
