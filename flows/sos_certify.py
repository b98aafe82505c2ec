"""The flow `sos-certify`: polynomials in, exact proofs and refutations out.

Three steps: *certify* (one call per batch of polynomials, each within its limits of time and
memory), *verify* (every certificate checked again by code that shares nothing with what made it),
*report* (artifacts and figures). A polynomial that cannot be read, fails or exceeds its limits is a
row with a status; the others go on, and the flow ends as Failed with one line that says why.
Running the flow again does exactly the batches that are missing, damaged or not ok.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from prefect import flow
from prefect.client.schemas.objects import State

from flows import FLOWS
from flows.calls import CheckPayloads, CheckWork, check
from flows.progress import announce
from flows.recipes.sos import classics
from flows.sos_reports import publish_report
from flows.steps import Stage, Tables, final_state, guarded, run_stage, run_step
from flows.stored import Problem, items_left, open_run, stored_statuses
from tasks.records import Run, Status
from tasks.sos.config import CertifyConfig
from tasks.sos.run import (
    CERTIFY_TABLES,
    CHECK_TABLES,
    CertifyItem,
    CertifyPlan,
    certificates_to_check,
    failed_certify_item,
    plan_certify,
    run_certify_item,
)
from tasks.sos.schema import CERTIFICATE_CHECKS_SCHEMA, CERTIFICATES_SCHEMA
from workers import connect

__all__ = ["CertifyTally", "sos_certify"]

logger = logging.getLogger(__name__)

ENTRY = FLOWS["sos-certify"]
KEY = "item"
DEFAULT_CONFIG = classics()


@flow(name=ENTRY.name, persist_result=False)
def sos_certify(
    config: CertifyConfig = DEFAULT_CONFIG, store: str = "", ray_address: str = "local"
) -> State:
    """Decide whether polynomials are sums of squares, with an exact proof where there is one.

    Args:
        config: What to decide; all but its limits determines the results and names the run.
        store: Root of the results, a folder or a URI; empty for LATTICEWORK_STORE, else `results`.
        ray_address: Where the calls run: `local`, `serial`, or the address of a Ray cluster.
    """
    return guarded(lambda: _run(config, store, ray_address))


def _run(config: CertifyConfig, store: str, ray_address: str) -> State:
    """The three steps, then the state that the stored rows amount to."""
    plan = plan_certify(config)
    run = open_run(ENTRY, plan, store)
    logger.info("run %s in %s", run.run_id, run.path)
    # With everything stored there is no need to wait for Ray.
    address = ray_address if _problems(plan, run) else "serial"
    if address != "serial":
        announce("starting Ray" if address == "local" else f"connecting to Ray at {address}")
    with connect(address) as executor:
        run_stage(certify_stage(plan, run), run, executor)
        run_stage(verification_stage(plan, run), run, executor)
    announce("report")
    run_step("report", publish_report, run)
    problems = _problems(plan, run)
    run.finish(status="partial" if problems else None)
    total = plan.num_polynomials
    what = "polynomial" if total == 1 else "polynomials"
    return final_state(run, problems, f"{total} {what}", total=total)


def _problems(plan: CertifyPlan, run: Run) -> list[Problem]:
    """What is not ok: polynomials by their names, then batches that are not stored."""
    found: dict[str, Problem] = {}
    for table in ("certificates", "verification"):
        for name, (status, reason) in stored_statuses(run, table, "name").items():
            if status != Status.OK:
                found.setdefault(name, Problem(name, status, reason))
    problems = [
        found[entry.name] for item in plan.items for entry in item.entries if entry.name in found
    ]
    pending = [*run.pending(run.planned), *_unchecked(plan, run)]
    again = "run the same command again"
    named = {entry.name: item.key for item in plan.items for entry in item.entries}
    known = {named[problem.item] for problem in problems}
    batches = [key for key in dict.fromkeys(pending) if key not in known]
    return problems + [Problem(f"batch {key}", "unfinished", again) for key in batches]


def certify_stage(plan: CertifyPlan, run: Run) -> Stage:
    """All batches that are left to do."""
    left = set(items_left(run, CERTIFY_TABLES, KEY))
    payloads = {item.key: item for item in plan.items if item.key in left}
    return Stage(
        "certify", run_certify_item, failed_certify_item, payloads, tally=CertifyTally(run)
    )


def verification_stage(plan: CertifyPlan, run: Run) -> Stage:
    """The verification that is left to do, of batches that are stored."""
    stored = run.check(["certificates"]).done
    left = {*items_left(run, CHECK_TABLES, KEY), *_unchecked(plan, run)} & stored
    payloads = CheckPayloads(run, [item for item in plan.items if item.key in left])
    return Stage("verify", check, failed_check, payloads, prefix="verify.")


def _unchecked(plan: CertifyPlan, run: Run) -> list[str]:
    """Batches with certificates that were stored after their verification."""
    certified = _names(run, "certificates", CERTIFICATES_SCHEMA, "certificate")
    checked = _names(run, "verification", CERTIFICATE_CHECKS_SCHEMA, "claim")
    return [item.key for item in plan.items if _misses(item, certified, checked)]


def _misses(item: CertifyItem, certified: set[str], checked: set[str]) -> bool:
    """Whether a certificate that is to be checked was not."""
    names = [entry.name for entry in item.entries if entry.name in certified - checked]
    return bool(certificates_to_check(item, names))


def _names(run: Run, table: str, schema: pa.Schema, column: str) -> set[str]:
    """Names of the polynomials with a value in a column."""
    rows = run.read(table, schema=schema, on_corrupt="skip").select(["name", column])
    return set(rows.filter(pc.field(column).is_valid())["name"].to_pylist())


def failed_check(work: CheckWork, kind: str, message: str) -> Mapping[str, pa.Table]:
    """No rows: a verification that could not be made says nothing, and stays to be done."""
    logger.error("batch %s was not verified (%s): %s", work.item.key, kind, message)
    return {}


class CertifyTally:
    """Verdicts so far.

    Parameters
    ----------
    run : Run
        Rows that it holds are counted.
    """

    def __init__(self, run: Run) -> None:
        self._verdicts: dict[str, str] = {}
        self._add(run.read("certificates", schema=CERTIFICATES_SCHEMA, on_corrupt="skip"))

    def add(self, tables: Tables) -> None:
        """Take a batch into account."""
        self._add(tables["certificates"])

    def _add(self, certificates: pa.Table) -> None:
        """Take some rows into account; a polynomial that is done again counts once."""
        rows: list[dict[str, Any]] = certificates.select(["name", "verdict", "status"]).to_pylist()
        self._verdicts |= {row["name"]: row["verdict"] or row["status"] for row in rows}

    def describe(self) -> str:
        """One phrase: how many of each."""
        counts = sorted(Counter(self._verdicts.values()).items())
        return ", ".join(f"{count:,} {verdict}" for verdict, count in counts) or "none yet"
