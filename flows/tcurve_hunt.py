"""The flow `tcurve-hunt`: schemes of a degree from a few triangulations, by search.

One step, *hunt*, goes through rounds: the archive proposes candidates, the workers certify and
count them, the archive learns. Every candidate is stored as it comes back, and every improvement of
the archive at the end of its round. Running the hunt again replays what is stored, which takes
seconds, and goes on with the round that was interrupted.
"""

from __future__ import annotations

import logging
import time
from itertools import count
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows import FLOWS
from flows.progress import announce, reporter
from flows.recipes.tcurve_hunt import seven
from flows.steps import Stage, Tables, fan_out, guarded, run_step
from flows.stored import open_run
from tasks.records import CorruptPartError, LatticeworkError, Run, Status
from tasks.tcurves.archive import Archive, candidate_of
from tasks.tcurves.hunt import HuntConfig, HuntPlan, known_table, plan_hunt
from tasks.tcurves.hunt_rounds import (
    archive_table,
    empty_archive,
    failed_hunt_item,
    item_keys,
    round_items,
    run_hunt_item,
)
from workers import Executor, connect

__all__ = ["tcurve_hunt"]

logger = logging.getLogger(__name__)

ENTRY = FLOWS["tcurve-hunt"]
DEFAULT_CONFIG = seven()


@flow(name=ENTRY.name, persist_result=False)
def tcurve_hunt(
    config: HuntConfig = DEFAULT_CONFIG, store: str = "", ray_address: str = "local"
) -> State:
    """Search for real schemes of T-curves of one degree, with a certificate for each.

    Args:
        config: Where to hunt and how; `minutes` and `stop_at` only say when to pause.
        store: Root of the results, a folder or a URI; empty for LATTICEWORK_STORE, else `results`.
        ray_address: Where the calls run: `local`, `serial`, or the address of a Ray cluster.
    """
    return guarded(lambda: _run(config, store, ray_address))


def _run(config: HuntConfig, store: str, ray_address: str) -> State:
    """Hunt, report, and say how many schemes there are."""
    plan = plan_hunt(config)
    run = open_run(ENTRY, plan, store)
    logger.info("run %s in %s", run.run_id, run.path)
    if ray_address != "serial":
        announce("starting Ray" if ray_address == "local" else f"connecting to {ray_address}")
    run.write_part("known", "known", known_table(plan))
    archive = empty_archive(plan)
    with connect(ray_address) as executor:
        run_step("hunt", _hunt, plan, run, executor, archive)
    announce("report")
    run_step("report", _report, run)
    run.finish(tables=["candidates"])
    failed = f", {archive.num_failed} failed" if archive.num_failed else ""
    return Completed(
        message=f"{len(archive.finds)} schemes from {archive.num_candidates} candidates{failed}"
    )


def _report(run: Run) -> None:
    """Publish the report of a hunt."""
    from flows.hunt_reports import publish_report

    try:
        publish_report(run)
    except CorruptPartError as error:
        raise LatticeworkError(
            f"{error}; run the hunt with its former stop_at and minutes to make it again"
        ) from error


def _hunt(plan: HuntPlan, run: Run, executor: Executor, archive: Archive) -> None:
    """Go through rounds until the time is over, enough is found, or the archive is empty."""
    config = plan.config
    deadline = time.monotonic() + 60 * config.minutes
    done = run.check(["candidates"]).done
    tell = reporter("hunt", publish=True)
    for number in count():
        keys = item_keys(plan, number)
        missing = set(keys) - done
        if missing and (_is_enough(config, archive) or time.monotonic() > deadline):
            break
        if missing:
            items = round_items(plan, archive, number)
            payloads = {item.key: item for item in items if item.key in missing}
            tally = HuntTally(archive)
            stage = Stage(
                f"round {number}",
                run_hunt_item,
                failed_hunt_item,
                payloads,
                tally=tally,
                tell=tell,
            )
            fan_out(stage, run, executor)
            if tally.num_lost:
                raise LatticeworkError(
                    f"round {number}: {tally.num_lost} of {len(keys)} items were lost with their "
                    "workers; finished items are kept, run the same command again"
                )
        rows = _stored_rows(run, keys)
        _learn(plan, run, archive, number, rows)
        if not archive.finds:
            raise LatticeworkError(f"no seed gave a scheme: {_reasons(rows)}; give other seeds")


class HuntTally:
    """Schemes of the archive and of the round that is under way."""

    def __init__(self, archive: Archive) -> None:
        self._found = set(archive.finds)
        self._num_candidates = archive.num_candidates
        self.num_lost = 0
        """Items that came back without candidates."""

    def add(self, tables: Tables) -> None:
        """Take the candidates of one item into account."""
        if "candidates" not in tables:
            self.num_lost += 1
            return
        for codes in tables["candidates"]["codes"].to_pylist():
            if codes is not None:
                self._found.update(codes)
                self._num_candidates += 1

    def describe(self) -> str:
        """Schemes and candidates so far."""
        return f"{len(self._found)} schemes from {self._num_candidates} candidates"


def _is_enough(config: HuntConfig, archive: Archive) -> bool:
    """Whether as many schemes are found as were asked for."""
    return 0 < config.stop_at <= len(archive.finds)


def _learn(
    plan: HuntPlan, run: Run, archive: Archive, number: int, rows: list[dict[str, Any]]
) -> None:
    """Enter a round into the archive and store what it added."""
    before = frozenset(archive.finds)
    counted = [row for row in rows if row["status"] == Status.OK and row["codes"] is not None]
    archive.note(rows)
    better = archive.extend(candidate_of(row, plan.config.degree) for row in counted)
    new = frozenset(archive.finds) - before
    if better:
        table = archive_table(plan, archive, number, better, new)
        run.write_part("archive", f"r{number:06d}", table)
    if new:
        logger.info(
            "round %d: %d schemes (%d new to this hunt) from %d candidates",
            number,
            len(archive.finds),
            len(new),
            archive.num_candidates,
        )


def _stored_rows(run: Run, keys: list[str]) -> list[dict[str, Any]]:
    """All candidates of a round."""
    return [row for key in keys for row in run.read_part("candidates", key).to_pylist()]


def _reasons(rows: list[dict[str, Any]]) -> str:
    """Why candidates have no census, each reason once."""
    reasons = {row["reason"] or f"no scheme with {row['min_ovals']} ovals or more" for row in rows}
    return ", ".join(sorted(reasons))
