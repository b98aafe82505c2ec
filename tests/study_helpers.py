"""Studies in tests: plans, tables of one item, runs made in this process without Prefect."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from flows.calls import StageCall
from flows.planning import PlannedRun, open_run, plan_run
from flows.study import Stage, Study
from tasks.records import Item, Place, Run, Store, Stored


def stage_named(study: Study, name: str) -> Stage:
    return next(stage for stage in study.stages if stage.name == name)


def tables_of(
    planned: PlannedRun, stage: Stage, item: Item, *needed: pa.Table, folder: str = ""
) -> dict[str, pa.Table]:
    """Tables of one item, as a worker would make them."""
    schemas = {table: planned.schemas[table] for table in stage.tables}
    place = Place(folder) if stage.placed else None
    call = StageCall(stage.call, "", schemas, planned.identity, place)
    return dict(call((item.argument, *needed)).tables)


def stored_run(
    study: Study,
    config: Any,
    folder: Path,
    change: Callable[[dict[str, pa.Table]], dict[str, pa.Table]] = lambda tables: tables,
) -> Stored:
    """A run whose stages with known items are made here, one after the other."""
    planned = plan_run(study, config)
    run = open_run(planned, str(folder))
    for stage in study.stages:
        for item in planned.items[stage.name]:
            keys = item.parts or (item.key,)
            needed = [
                pa.concat_tables([run.read_part(table, key) for key in keys])
                for table in stage.needs
            ]
            tables = change(tables_of(planned, stage, item, *needed, folder=run.path))
            run.write_parts(item.key, tables, planned.origin(stage, item))
    return Stored(run, planned.schemas)


def found_run(outcome: dict[str, Any]) -> Run:
    """The run that a JSON object of the command names."""
    return Store.open().find_run(outcome["path"])


def science_bytes(path: str | Path) -> dict[str, bytes]:
    """Every deterministic file of a run."""
    files = (p for p in Path(path).rglob("*") if p.suffix in (".arrow", ".json"))
    return {p.name: p.read_bytes() for p in files if p.parent.name != "execution"}
