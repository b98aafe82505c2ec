import logging

import pytest

from workers import SerialExecutor, WorkItem, logs, map_batches
from workers.logs import LogLine, collected_logs

from worker_functions import log_lines  # isort: skip


@pytest.fixture
def quiet_loggers():
    """Loggers as nobody configured them."""
    before = {name: logging.getLogger(name).level for name in logs.LOGGERS}
    for name in logs.LOGGERS:
        logging.getLogger(name).setLevel(logging.NOTSET)
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def test_info_is_collected_on_a_worker_where_nobody_configured_logging(quiet_loggers):
    with collected_logs(lower_levels=True) as collector:
        logging.getLogger("tasks.lattice").info("%d points", 36)
        logging.getLogger("tasks.lattice").debug("detail")
        logging.getLogger("numba").warning("foreign")
    (line,) = collector.finish()
    assert (line.logger, line.level, line.message) == ("tasks.lattice", logging.INFO, "36 points")
    assert logging.getLogger("tasks").level == logging.NOTSET
    assert not logging.getLogger("tasks").handlers


def test_traceback_of_a_logged_exception_travels_as_text(quiet_loggers):
    with collected_logs(lower_levels=True) as collector:
        try:
            raise ValueError("degree 0")
        except ValueError:
            logging.getLogger("tasks").exception("failed")
    assert "ValueError: degree 0" in collector.finish()[0].message


def test_lines_of_one_call_are_limited_and_the_loss_is_told(quiet_loggers, monkeypatch):
    monkeypatch.setattr(logs, "MAX_LINES", 3)
    with collected_logs(lower_levels=True) as collector:
        for index in range(10):
            logging.getLogger("gpu").info("line %d", index)
    lines = collector.finish()
    assert [line.message for line in lines[:3]] == ["line 0", "line 1", "line 2"]
    assert lines[3].message == "7 further log lines were dropped"


def test_driver_repeats_lines_with_key_host_and_time(caplog):
    caplog.set_level(logging.INFO, logger="tasks")
    logs.emit([LogLine("tasks.tcurves", logging.INFO, "37 schemes, 100 %", 12.5)], "7_fra", "node3")
    (record,) = caplog.records
    assert record.name == "tasks.tcurves"
    assert record.getMessage() == "[7_fra@node3] 37 schemes, 100 %"
    assert record.created == 12.5


def test_driver_repeats_only_what_its_loggers_accept(caplog):
    caplog.set_level(logging.WARNING, logger="tasks")
    logs.emit([LogLine("tasks.tcurves", logging.INFO, "detail", 0.0)], "7_fra", "node3")
    assert not caplog.records


def test_serial_calls_log_once(caplog):
    caplog.set_level(logging.INFO, logger="tasks")
    (outcome,) = map_batches(log_lines, [WorkItem("a", 2)], executor=SerialExecutor())
    assert [line.message for line in outcome.logs] == ["line 0 of 2", "line 1 of 2"]
    assert [record.getMessage() for record in caplog.records] == ["line 0 of 2", "line 1 of 2"]
