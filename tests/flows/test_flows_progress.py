"""Progress reaches its listener, the terminal and, where nobody listens, a Prefect artifact."""

import io
import logging
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
from rich.console import Console

from flows.progress import ProgressArtifact, announce, listening, reporter
from flows.terminal import arrow_table, describe_current, progress_bars, send_logs_to
from workers.stages import StageProgress


def test_the_listener_of_the_context_hears_every_step():
    heard = []
    with listening(heard.append):
        announce("starting")
        reporter("census")(StageProgress("census", total=2, finished=1))
    assert heard == [StageProgress("starting"), StageProgress("census", total=2, finished=1)]


def test_without_a_listener_announcements_go_nowhere_and_progress_to_an_artifact():
    announce("nobody hears this")
    assert isinstance(reporter("census").__self__, ProgressArtifact)


def test_the_artifact_is_written_at_most_once_a_second_and_at_the_end(monkeypatch):
    written = []
    clock = iter(np.arange(101) / 40)  # 40 items a second
    monkeypatch.setattr(ProgressArtifact, "_write", lambda _, *text: written.append(text))
    monkeypatch.setattr("flows.progress.time", SimpleNamespace(monotonic=lambda: next(clock)))
    artifact = ProgressArtifact("census")
    for finished in range(101):
        artifact.update(StageProgress("census", total=100, finished=finished))
    assert written == [
        (done, f"census: {done:.0f} of 100 items done") for done in (0.0, 40.0, 80.0, 100.0)
    ]


def test_the_artifact_tells_what_has_been_found(monkeypatch):
    written = []
    monkeypatch.setattr(ProgressArtifact, "_write", lambda _, *text: written.append(text))
    ProgressArtifact("sweep").update(StageProgress("sweep", total=2, finished=1, note="5 schemes"))
    assert written == [(50.0, "sweep: 1 of 2 items done; 5 schemes")]


def test_a_step_that_publishes_tells_the_listener_and_the_artifact(monkeypatch):
    heard, written = [], []
    monkeypatch.setattr(ProgressArtifact, "_write", lambda _, *text: written.append(text))
    progress = StageProgress("sweep", total=2, finished=2)
    with listening(heard.append):
        reporter("sweep", publish=True)(progress)
    assert heard == [progress]
    assert written == [(100.0, "sweep: 2 of 2 items done")]


def test_current_items_are_the_first_three_by_name():
    assert describe_current(StageProgress("s", current=("a", "b"))) == "a, b"
    assert describe_current(StageProgress("s", current=tuple("abcde"))) == "a, b, c and 2 more"


def test_what_has_been_found_stands_before_the_current_items():
    progress = StageProgress("s", current=("a",), note="5 schemes")
    assert describe_current(progress) == "5 schemes; a"


def plain_console() -> Console:
    return Console(file=io.StringIO(), width=200)


def told(monkeypatch, states) -> list[str]:
    """Lines about (second, finished items) of 100, where there is no terminal."""
    console, now = plain_console(), [0.0]
    monkeypatch.setattr("flows.terminal.time", SimpleNamespace(monotonic=lambda: now[0]))
    with progress_bars(console) as show:
        for second, finished in states:
            now[0] = float(second)
            show(StageProgress("census", total=100, finished=finished, failed=finished // 60))
    return console.file.getvalue().splitlines()


def test_without_a_terminal_there_are_a_few_lines_a_minute_with_an_estimate(monkeypatch):
    lines = told(monkeypatch, [(second, second // 2) for second in range(201)])
    assert lines[0] == "census: 0 of 100"
    assert lines[1] == "census: 7 of 100, about 3 min left"
    assert lines[-1] == "census: 100 of 100, 1 failed"
    assert len(lines) == 15


def test_short_steps_tell_their_beginning_and_their_end(monkeypatch):
    assert told(monkeypatch, [(0, 0), (1, 50), (2, 100), (3, 100)]) == [
        "census: 0 of 100",
        "census: 100 of 100, 1 failed",
    ]


def test_steps_without_items_are_named():
    console = plain_console()
    with progress_bars(console) as show:
        show(StageProgress("starting Ray"))
    assert console.file.getvalue() == "starting Ray\n"


def test_on_a_terminal_the_bar_names_the_current_item():
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with progress_bars(console) as show:
        show(StageProgress("census", total=2, finished=1, current=("7_fra",)))
        show.bars.refresh()
        drawn = console.file.getvalue()
    assert "7_fra" in drawn
    assert "1/2" in drawn


def test_warnings_are_lines_and_prefect_s_own_appear_only_when_asked_for():
    console = plain_console()
    send_logs_to(console, verbose=False)
    logging.getLogger("flows.x").warning("a part is damaged")
    logging.getLogger("flows.x").info("detail")
    for name in ("prefect.client", "APILogWorker", "EventsWorker"):
        logging.getLogger(name).error("Traceback")
    assert console.file.getvalue() == "warning: a part is damaged\n"
    send_logs_to(console, verbose=True)
    logging.getLogger("prefect.client").error("Traceback")
    assert console.file.getvalue().endswith("error: Traceback\n")


def test_long_answers_are_cut_and_say_so():
    table = arrow_table(pa.table({"a": list(range(500))}))
    assert table.row_count == 200
    assert "200 of 500 rows" in str(table.caption)
