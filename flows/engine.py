"""From a study, or a chain of studies, to a Prefect flow; the only way in which anything is run.

A run is opened; each stage does what is left of it; the report is shown; and the state says what is
not ok. Running a flow again does exactly what is missing, damaged, not ok, or made from other
inputs. Deployments name flows as attributes of this module: ``flows.engine.tcurve_census``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

from prefect import Flow, flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.logging.handlers import APILogHandler
from prefect.states import Completed, Failed
from prefect.utilities.annotations import quote

from flows import all_studies
from flows.planning import PlannedRun, chain_links, check_links, continued_run, open_run, plan_run
from flows.progress import announce
from flows.reports import publish
from flows.stages import Session
from flows.study import Chain, Study, load
from tasks.records import FrozenConfig, LatticeworkError, Problem, Run
from tasks.records.trust import check_trusted
from workers.signals import sigterm_as_interrupt

__all__ = ["flow_of", "problems_of", "run_chain", "run_study"]

logger = logging.getLogger(__name__)

PROJECT_LOGGERS = ("flows", "workers", "tasks", "gpu")
AGAIN = "run the same command again"
PARAMETERS = """

Args:
    config: {config}
    store: Root of the results, a folder or a URI; empty for LATTICEWORK_STORE, else `results`.
    ray_address: Where the calls run: `local`, `serial`, or the address of a Ray cluster.
    continued: A run of older code whose finished items are taken over; empty for none.
"""


def __getattr__(name: str) -> Flow[..., Any]:
    """The flow of a study, for Prefect, which imports flows by name."""
    study = all_studies().get(name.replace("_", "-"))
    if study is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return flow_of(study)


def flow_of(study: Study | Chain) -> Flow[..., Any]:
    """The Prefect flow of a study or a chain, whose form is its config."""
    config_class: type[FrozenConfig] = load(study.config)
    default = config_class.model_validate(dict(study.recipes[0].settings))
    run = run_study if isinstance(study, Study) else run_chain

    def body(
        config: Any = default, store: str = "", ray_address: str = "local", continued: str = ""
    ) -> State:
        return guarded(lambda: run(study, config, store, ray_address, continued))  # pyrefly: ignore

    body.__name__ = body.__qualname__ = study.name.replace("-", "_")
    body.__module__ = __name__
    meaning = " ".join((config_class.__doc__ or "").split())
    body.__doc__ = study.summary + PARAMETERS.format(config=meaning)
    texts = dict.fromkeys(("store", "ray_address", "continued"), str)
    body.__annotations__ = {"config": config_class, **texts, "return": State}
    return flow(name=study.name, persist_result=False)(body)


def run_study(
    study: Study, config: FrozenConfig, store: str, address: str, continued: str = ""
) -> State:
    """All stages and the report, then the state that the stored rows amount to."""
    return finish_study(study, config, store, address, continued)[1]


def finish_study(
    study: Study, config: FrozenConfig, store: str, address: str, continued: str = ""
) -> tuple[Run, State]:
    """The run of a study, and its state."""
    if is_deployed():
        check_trusted(config.own_code())
    if study.check:
        load(study.check)(config, address)
    planned = plan_run(study, config)
    if study.estimate and is_deployed():  # the command has printed it
        for line in load(study.estimate)(config):
            logger.info("%s", line)
    older = continued_run(study, store, continued)
    run = open_run(planned, store)
    logger.info("run %s in %s", run.run_id, run.path)
    with Session(planned, run, address, older) as session:
        for number, stage in product(range(planned.rounds), study.stages):
            if session.is_done(stage):
                logger.info("%s: nothing to do, everything is stored", stage.name)
            else:
                run_step(stage.name, session.bring, stage, number)
        if older and not session.taken[older.run_id]:
            logger.warning("nothing of run %s is left to be taken over", older.run_id)
        announce("report")
        run_step("report", publish, study, session.stored)
        problems = problems_of(session)
    stages = [stage.tables for stage in study.stages]
    run.finish(status="partial" if problems else None, stages=stages)
    total = _num_subjects(planned)
    what = study.subject if total == 1 else f"{study.subject}s"
    return run, _final_state(run, problems, f"{total:,} {what}" if total else "done", total=total)


def is_deployed() -> bool:
    """Whether the flow runs for a deployment, so that its parameters may come from anybody."""
    context = FlowRunContext.get()
    return bool(context and context.flow_run and context.flow_run.deployment_id)


def run_chain(
    chain: Chain, config: FrozenConfig, store: str, address: str, continued: str = ""
) -> State:
    """The studies of a chain one after the other, each as a subflow with a run of its own."""
    if is_deployed():
        for link in chain.links:
            check_trusted(getattr(config, link.field).own_code())
    check_links(chain, config, continued)
    done = []
    for study, own in chain_links(chain, config, store):
        state: Any = flow_of(study)(own, store, address, return_state=True)
        if not state.is_completed():
            return Failed(message=f"{study.name}: {state.message}")
        done.append(f"{study.name}: {state.message}")
    return Completed(message="; ".join(done))


# --- steps --------------------------------------------------------------------------------------


def run_step(name: str, function: Callable[..., None], *arguments: Any) -> None:
    """Make one call as a Prefect task of that name, without caching and without a stored result."""
    options: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False}
    # No tags: for each, Prefect asks for a concurrency limit, and while a temporary server's
    # database is being written to, the answer is to ask again in 2 s.
    step: Any = task(name=name, task_run_name=name, **options)(function)
    # Quoted: Prefect would walk through all arguments in search of futures.
    step(*(quote(argument) for argument in arguments))


@contextmanager
def project_logs() -> Iterator[None]:
    """Send what the project logs to the running flow's page in Prefect."""
    handler = APILogHandler(level=logging.INFO)
    loggers = [logging.getLogger(name) for name in PROJECT_LOGGERS]
    # A flow within a flow is heard already.
    loggers = [
        each for each in loggers if APILogHandler not in {type(one) for one in each.handlers}
    ]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.addHandler(handler)
        each.setLevel(logging.INFO)
    try:
        yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.removeHandler(handler)
            each.setLevel(level)


def guarded(run: Callable[[], State]) -> State:
    """Run a flow's body: its log reaches Prefect, SIGTERM interrupts it, errors are one line."""
    with project_logs(), sigterm_as_interrupt():
        try:
            return run()
        except LatticeworkError as error:
            logger.error("%s", error)
            return Failed(message=str(error))


# --- outcome ------------------------------------------------------------------------------------


def problems_of(session: Session) -> list[Problem]:
    """What is not ok: rows with a status, then items without rows."""
    study, planned = session.planned.study, session.planned
    tables = [t for stage in study.stages if not stage.is_final for t in stage.tables]
    problems = session.stored.problems(tables, study.label)
    for stage in study.stages:
        if stage.waves or (stage.needs and problems):
            continue
        for item in planned.items[stage.name]:
            if not all(session.run.is_intact(table, item.key) for table in stage.tables):
                reason = session.failures.get(item.key, "")
                why = f"{reason}; {AGAIN}" if reason else AGAIN
                problems.append(Problem(item.key, "unfinished", why))
    return problems


def _num_subjects(planned: PlannedRun) -> int:
    """What the items of the first stage stand for; 0 if they are not known in advance."""
    first = planned.study.stages[0]
    if planned.study.keys or not first.items:
        return len(planned.keys)
    return sum(item.size for item in planned.items[first.name])


def _final_state(run: Run, problems: list[Problem], done: str, *, total: int) -> State[Any]:
    """Completed with `done` and the run's place, or Failed with the number of problems."""
    if not problems:
        return Completed(message=f"{done} in {run.path}")
    more = f"; and {len(problems) - 1} more" if len(problems) > 1 else ""
    count = f"{len(problems)} of {total}" if total else f"{len(problems)}"
    return Failed(message=f"{count} not ok: {problems[0]}{more}")
