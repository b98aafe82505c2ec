"""The flow `sos-benchmark` end to end, through the command, on small cells without Ray."""

import json
from pathlib import Path

import pytest

from flows.cli import main
from flows.sos_benchmark_reports import draw_figures, markdown_report, report_lines
from tasks.records import Status, Store
from tasks.sos import _jobs
from tasks.sos.benchmarking.run import run_benchmark_item

CELLS = ("dense-n3-d2-m5", "binomial_squares-n3-d3-m6")
METHODS = ("cascade", "autoregressive", "even-sqrt", "newton")
RULES = ("even-sqrt", "newton")

pytestmark = pytest.mark.flow

SMALL = ["run", "sos-benchmark", "--recipe", "planted", "--smoke", "--address", "serial"]


@pytest.fixture
def benchmarked(prefect_api, tmp_path, capsys, monkeypatch):
    """Run the flow with --json into one store: (exit code, the JSON object, stderr)."""
    monkeypatch.setattr("flows.sos_benchmark_reports.draw_figures", lambda *_, **__: [])

    def run(*arguments):
        code = main([*SMALL, "--out", str(tmp_path), "--json", *arguments])
        captured = capsys.readouterr()
        return code, json.loads(captured.out.splitlines()[-1]), captured.err

    return run


def stored(path):
    return Store.open(Path(path).parents[1]).find_run(path)


def test_methods_stand_side_by_side_and_a_second_run_computes_nothing(benchmarked):
    code, outcome, err = benchmarked("--set", f"methods={json.dumps(RULES)}")
    assert (code, outcome["status"]) == (0, "ok"), err
    run = stored(outcome["path"])
    lines = report_lines(run)
    assert [(line.cell, line.method) for line in lines] == [(c, m) for c in CELLS for m in RULES]
    assert all(line.decided.count == 1 for line in lines)
    assert all(line.decided.successes == 1 for line in lines[: len(RULES)])
    assert all(line.seconds > 0 and line.wrong == 0 and line.num_sized == 1 for line in lines)
    text = markdown_report(run)
    assert "* exact verdicts that contradict what is known: 0" in text
    assert "## Mean seconds by stage" in text and "* sizes are means over all polynomials" in text
    assert "## Table 1: basis size" in text and "## Table 2: mean seconds" in text
    assert "every cell has 1 polynomial, fewer than 500" in text
    before = run.read("execution").num_rows
    assert benchmarked("--set", f"methods={json.dumps(RULES)}")[1] == outcome
    assert stored(outcome["path"]).read("execution").num_rows == before


@pytest.mark.slow
def test_the_learned_methods_decide_all_of_the_smoke_twin(benchmarked):
    """Slow: two networks are loaded here and in the process of the trials."""
    code, outcome, err = benchmarked()
    assert (code, outcome["status"]) == (0, "ok"), err
    run = stored(outcome["path"])
    lines = report_lines(run)
    assert [(line.cell, line.method) for line in lines] == [(c, m) for c in CELLS for m in METHODS]
    learned = [line for line in lines if line.method in ("cascade", "autoregressive")]
    assert all(line.decided.successes == line.decided.count == 1 for line in learned)
    written = {line.beyond for line in lines if line.method == "autoregressive"}
    assert written == {(), ("family",)}
    assert "beyond what the model of autoregressive was trained on" in markdown_report(run)


def test_a_stopped_trial_counts_as_a_failure_that_took_its_limit(benchmarked, monkeypatch):
    stopped = _jobs.Stopped(Status.OVER_BUDGET, "stopped after 7 s; raise seconds")
    monkeypatch.setattr(_jobs, "run_job", lambda *_, **__: stopped)
    code, outcome, _ = benchmarked("--set", "seconds=7")
    assert code == 0
    run = stored(outcome["path"])
    lines = report_lines(run)
    assert all(line.num_stopped == 1 and line.decided.successes == 0 for line in lines)
    assert all(line.seconds == 7 for line in lines)
    [figure] = draw_figures(run)
    assert Path(figure).stat().st_size > 10_000
    text = markdown_report(run)
    assert "over_budget" in text and "## Mean seconds by stage" in text
    assert "| dense-n3-d2-m5 | newton | 7.0000 |" in text


def test_a_batch_that_fails_as_a_whole_is_no_result_and_is_done_by_the_next_run(
    benchmarked, monkeypatch
):
    def fails(item):
        if item.cell in failing:
            raise MemoryError("no room")
        return run_benchmark_item(item)

    rules = ("--set", f"methods={json.dumps(RULES)}")
    for failing in (CELLS, CELLS[:1]):
        with monkeypatch.context() as patch:
            patch.setattr("flows.sos_benchmark.run_benchmark_item", fails)
            code, outcome, err = benchmarked(*rules)
        assert code == 1 and "no room" in err
        assert "unfinished, run the same command again" in err
        done = {line.cell for line in report_lines(stored(outcome["path"]))}
        assert done == set(CELLS) - set(failing)
    code, again, _ = benchmarked(*rules)
    assert (code, again["path"]) == (0, outcome["path"])
    lines = report_lines(stored(again["path"]))
    assert [line.cell for line in lines] == [cell for cell in CELLS for _ in RULES]


def test_a_larger_limit_makes_the_stopped_trials_again(benchmarked, monkeypatch):
    made = []

    def stops(job, *, seconds, memory_gib):
        made.append(seconds)
        return _jobs.Stopped(Status.OVER_BUDGET, f"stopped after {seconds:g} s; raise seconds")

    monkeypatch.setattr(_jobs, "run_job", stops)
    paths = [benchmarked("--set", f"seconds={seconds}")[1]["path"] for seconds in (2, 60, 2)]
    assert paths[0] == paths[2] != paths[1]
    assert 60.0 in made
    assert [report_lines(stored(path))[0].seconds for path in paths] == [2.0, 60.0, 2.0]


def test_a_missing_model_is_one_line(prefect_api, tmp_path, capsys):
    missing = str(tmp_path / "none.safetensors")
    code = main([*SMALL, "--out", str(tmp_path), "--set", f"baseline={missing}"])
    assert code == 2
    err = capsys.readouterr().err
    assert "none.safetensors" in err and "train-baseline" in err


def test_an_unknown_cell_is_one_line(prefect_api, tmp_path, capsys):
    code = main([*SMALL, "--out", str(tmp_path), "--set", 'cells=["round-n3-d2-m5"]'])
    assert code == 2
    assert "no family 'round'" in capsys.readouterr().err
