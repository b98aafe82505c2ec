"""The study `sos-benchmark` end to end, through the command, on small cells without Ray."""

import json
from pathlib import Path

import pytest

from flows.cli import main
from flows.planning import plan_run
from flows.sos_benchmark import STUDY
from tasks.records import Status, Store, Stored
from tasks.sos import _jobs
from tasks.sos.benchmarking import run as benchmark_run
from tasks.sos.benchmarking.config import BenchmarkConfig
from tasks.sos.benchmarking.report import benchmark_lines, benchmark_report
from tasks.sos.prediction.predictor import SHIPPED_MODEL

CELLS = ("dense-n3-d2-m5", "binomial_squares-n3-d3-m6")
METHODS = ("cascade", "autoregressive", "even-sqrt", "newton")
RULES = ("even-sqrt", "newton")
ONLY_RULES = ("--set", f"methods={json.dumps(RULES)}")

pytestmark = pytest.mark.flow

SMALL = ["run", "sos-benchmark", "--recipe", "planted", "--smoke", "--address", "serial"]


@pytest.fixture
def benchmarked(prefect_api, tmp_path, capsys):
    """Run the study with --json into one store: (exit code, what is stored, stderr)."""
    schemas = plan_run(STUDY, BenchmarkConfig()).schemas

    def run(*arguments):
        code = main([*SMALL, "--out", str(tmp_path), "--json", *arguments])
        captured = capsys.readouterr()
        path = json.loads(captured.out.splitlines()[-1])["path"]
        return code, Stored(Store.open(str(tmp_path)).find_run(path), schemas), captured.err

    return run


def test_methods_stand_side_by_side_and_a_second_run_computes_nothing(benchmarked):
    code, stored, err = benchmarked(*ONLY_RULES)
    assert code == 0, err
    lines = benchmark_lines(stored)
    assert [(line.cell, line.method) for line in lines] == [(c, m) for c in CELLS for m in RULES]
    assert all(line.decided.count == 1 for line in lines)
    assert all(line.decided.successes == 1 for line in lines[: len(RULES)])
    assert all(line.seconds > 0 and line.wrong == 0 and line.num_sized == 1 for line in lines)
    report = benchmark_report(stored)
    assert report.findings[0] == "exact verdicts that contradict what is known: 0"
    assert report.findings[1].startswith("even-sqrt: ") and len(report.findings) == 3
    titles = [table.title.partition(":")[0] for table in report.tables]
    assert titles[2:] == ["Mean seconds by stage", "Table 1", "Table 2"]
    assert "every cell has 1 polynomial, fewer than 500" in report.notes
    before = stored.run.read("execution").num_rows
    assert benchmarked(*ONLY_RULES)[1].run.read("execution").num_rows == before


@pytest.mark.slow
def test_the_learned_methods_decide_all_of_the_smoke_twin(benchmarked):
    """Slow: two networks are loaded here and in the process of the trials."""
    code, stored, err = benchmarked()
    assert code == 0, err
    lines = benchmark_lines(stored)
    assert [(line.cell, line.method) for line in lines] == [(c, m) for c in CELLS for m in METHODS]
    learned = [line for line in lines if line.method in ("cascade", "autoregressive")]
    assert all(line.decided.successes == line.decided.count == 1 for line in learned)
    written = {line.beyond for line in lines if line.method == "autoregressive"}
    assert written == {(), ("family",)}
    notes = "\n".join(benchmark_report(stored).notes)
    assert "beyond what the model of autoregressive was trained on" in notes


def test_the_shipped_scorer_given_as_a_file_makes_the_same_rows(benchmarked, tmp_path):
    copy = tmp_path / "scorer.safetensors"
    copy.write_bytes(SHIPPED_MODEL.read_bytes())
    methods = ("--set", 'methods=["cascade", "no-repair", "predicted"]')
    _, shipped, _ = benchmarked(*methods)
    _, given, _ = benchmarked(*methods, "--set", f"scorer={copy}", "--out", str(tmp_path / "other"))
    assert given.run.run_id == shipped.run.run_id
    assert given.rows("trials") == shipped.rows("trials")
    assert {row["verdict"] for row in given.rows("trials")} == {"proved"}


def test_a_stopped_trial_counts_as_a_failure_that_took_its_limit(benchmarked, monkeypatch):
    stopped = _jobs.Stopped(Status.OVER_BUDGET, "stopped after 7 s; raise seconds")
    monkeypatch.setattr(_jobs, "run_job", lambda *_, **__: stopped)
    code, stored, _ = benchmarked("--set", "seconds=7", *ONLY_RULES)
    assert code == 0
    lines = benchmark_lines(stored)
    assert all(line.num_stopped == 1 and line.decided.successes == 0 for line in lines)
    assert all(line.seconds == 7 for line in lines)
    assert (Path(stored.run.path) / "figures/benchmark.png").stat().st_size > 10_000
    report = benchmark_report(stored)
    assert any("over_budget" in note for note in report.notes)
    assert ["dense-n3-d2-m5", "newton", "7.0000"] in report.tables[2].rows


def test_a_batch_that_fails_as_a_whole_is_no_result_and_is_done_by_the_next_run(
    benchmarked, monkeypatch
):
    trial_rows = benchmark_run.trial_rows

    def fails(work):
        if work.cell == CELLS[0]:
            raise MemoryError("no room")
        return trial_rows(work)

    with monkeypatch.context() as patch:
        patch.setattr(benchmark_run, "trial_rows", fails)
        code, stored, err = benchmarked(*ONLY_RULES)
    assert code == 1 and "no room" in err
    assert {line.cell for line in benchmark_lines(stored)} == {CELLS[1]}
    code, again, _ = benchmarked(*ONLY_RULES)
    assert (code, again.run.path) == (0, stored.run.path)
    assert [line.cell for line in benchmark_lines(again)] == [c for c in CELLS for _ in RULES]


def test_a_larger_limit_makes_the_stopped_trials_again(benchmarked, monkeypatch):
    made = []

    def stops(job, *, seconds, memory_gib):
        made.append(seconds)
        return _jobs.Stopped(Status.OVER_BUDGET, f"stopped after {seconds:g} s; raise seconds")

    monkeypatch.setattr(_jobs, "run_job", stops)
    limits = [("--set", f"seconds={seconds}", *ONLY_RULES) for seconds in (2, 60, 2)]
    runs = [benchmarked(*each)[1] for each in limits]
    assert runs[0].run.path == runs[2].run.path != runs[1].run.path
    assert 60.0 in made
    assert [benchmark_lines(each)[0].seconds for each in runs] == [2.0, 60.0, 2.0]


@pytest.mark.parametrize(
    ("field", "methods", "recipe"),
    [("baseline", "autoregressive", "train-baseline"), ("scorer", "cascade", "train-small")],
)
def test_a_missing_model_is_one_line(tmp_path, capsys, field, methods, recipe):
    given = [f"{field}={tmp_path / 'none.safetensors'}", f"methods={methods}"]
    settings = [word for text in given for word in ("--set", text)]
    assert main([*SMALL, "--out", str(tmp_path), *settings]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert f"{field}: " in line and "none.safetensors" in line and recipe in line


def test_an_unknown_cell_is_one_line(tmp_path, capsys):
    code = main([*SMALL, "--out", str(tmp_path), "--set", 'cells=["round-n3-d2-m5"]'])
    assert code == 2
    assert "no family 'round'" in capsys.readouterr().err
