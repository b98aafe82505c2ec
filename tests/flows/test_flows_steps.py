"""The wrapper around a stage."""

from types import SimpleNamespace

import pyarrow as pa
import pytest

from flows import steps
from workers import SerialExecutor


def test_a_step_has_no_tag_for_whose_limit_prefect_would_ask(monkeypatch):
    options = {}

    def recorded(**given):
        options.update(given)
        return lambda function: lambda *arguments: function(*[each.unquote() for each in arguments])

    monkeypatch.setattr(steps, "task", recorded)
    seen = []
    steps.run_step("retrain 1", seen.append, "argument")
    assert seen == ["argument"]
    assert options["name"] == "retrain 1" and not options.get("tags")


def test_an_execution_row_is_stored_before_the_parts_it_tells_of():
    """A process may be killed after any of them."""
    written = []
    run = SimpleNamespace(run_id="a", write_part=lambda table, *_: written.append(table))
    rows = pa.table({"item": ["1"]})
    tables = {"science": rows, "execution": rows}
    stage = steps.Stage("work", lambda _: tables, pytest.fail, {"1": None}, tell=lambda _: None)
    steps.fan_out(stage, run, SerialExecutor())
    assert written == ["execution", "execution", "science"]
