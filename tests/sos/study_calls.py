"""Calls of a study in this process, answered with tables."""

from flows.planning import plan_run
from tasks.records import Place
from workers.stage_call import Answer, StageCall


def answers(study, config, *, folder="") -> list[Answer]:
    """The calls of all items of the first stage."""
    planned = plan_run(study, config)
    return [answer(planned, item, folder=folder) for item in items_of(study, config)]


def items_of(study, config):
    """Items of the first stage."""
    return plan_run(study, config).items[study.stages[0].name]


def answer(planned, item, *tables, stage=0, folder="") -> Answer:
    """The call of one item, which gets some stored tables."""
    chosen = planned.study.stages[stage]
    schemas = {table: planned.schemas[table] for table in chosen.tables}
    place = Place(folder) if chosen.placed else None
    call = StageCall(chosen.call, chosen.prepare, schemas, planned.identity, place)
    return call((item.argument, *tables))
