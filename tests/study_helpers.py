"""Studies in tests: plans, tables of one item, runs made in this process without Prefect."""

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from flows.planning import PlannedRun, open_run, plan_run
from flows.study import Stage, Study, load
from tasks.records import Item, Place, Run, Status, Store, Stored, lay_out
from tasks.records.rows import failed_rows
from workers.stage_call import StageCall


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


def joined_tables(planned: PlannedRun, stage: Stage) -> dict[str, pa.Table]:
    """Tables of all items of a stage that needs no other."""
    parts = [tables_of(planned, stage, item) for item in planned.items[stage.name]]
    return {table: pa.concat_tables([part[table] for part in parts]) for table in stage.tables}


def failed_tables(
    planned: PlannedRun, stage: Stage, item: Item, status: Status, reason: str
) -> dict[str, pa.Table]:
    """Tables of an item whose call failed."""
    schemas = {table: planned.schemas[table] for table in stage.tables}
    rows = failed_rows(load(stage.known)(item.argument), status, reason)
    return lay_out(schemas, {stage.tables[0]: rows}, planned.identity)


def replaced(table: pa.Table, column: str, values: list[Any]) -> pa.Table:
    """A table with other values in one column."""
    place = table.schema.get_field_index(column)
    field = table.schema.field(place)
    return table.set_column(place, field, pa.array(values, field.type))


def stored_run(
    study: Study,
    config: Any,
    folder: Path,
    change: Callable[[dict[str, pa.Table]], dict[str, pa.Table]] = lambda tables: tables,
) -> Stored:
    """A run whose items are made here, one after the other, as the engine would."""
    planned = plan_run(study, config)
    run = open_run(planned, str(folder))
    stored = Stored(run, planned.schemas)
    for stage in study.stages:
        for item in chain.from_iterable(w.items for w in planned.waves(stage, stored)):
            keys = item.parts or (item.key,)
            needed = [
                pa.concat_tables([run.read_part(table, key) for key in keys])
                for table in stage.needs
            ]
            tables = change(tables_of(planned, stage, item, *needed, folder=run.path))
            run.write_parts(item.key, tables, planned.origin(stage, item))
    return stored


def found_run(outcome: dict[str, Any]) -> Run:
    """The run that a JSON object of the command names."""
    return Store.open().find_run(outcome["path"])


def science_bytes(path: str | Path) -> dict[str, bytes]:
    """Every deterministic file of a run."""
    files = (p for p in Path(path).rglob("*") if p.suffix in (".arrow", ".json"))
    return {p.name: p.read_bytes() for p in files if p.parent.name != "execution"}
