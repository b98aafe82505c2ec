"""The engine, on a toy study: what every study gets from it is tested here, once."""

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
import toy_study
from commands import finish, start_flow, wait_for_line, wait_until
from study_helpers import science_bytes

import flows
from flows.cli import main
from flows.engine import flow_of
from flows.planning import plan_run
from flows.reports import figures_of, report_of
from tasks.records import Figure, InfrastructureError, Report, RunIdentity, Store, Stored
from tasks.records.markdown import markdown, stored_findings
from tasks.records.pictures import draw_figures
from tasks.records.version import code_digest

pytestmark = pytest.mark.flow

RUN = ("run", "squares", "--address", "serial")


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """The toy is among the studies, in this process and in those it starts."""
    monkeypatch.setenv("LATTICEWORK_STUDIES", "toy_study:STUDY")
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    flows.all_studies.cache_clear()
    yield
    flows.all_studies.cache_clear()


@pytest.fixture
def run(prefect_api, tmp_path, capsys):
    """Run the study into one store: (exit code, the JSON object, stderr)."""

    def command(*settings: str, store: Path = tmp_path, more: tuple[str, ...] = ()):
        words = [word for setting in settings for word in ("--set", setting)]
        place = ["--out", str(store), "--json"]
        code = main([*RUN, *place, *words, *more])
        captured = capsys.readouterr()
        return code, json.loads(captured.out.splitlines()[-1]), captured.err

    return command


def opened(outcome) -> Stored:
    planned = plan_run(toy_study.STUDY, toy_study.SquaresConfig())
    return Stored(Store.open().find_run(outcome["path"]), planned.schemas)


def calls(outcome) -> list[str]:
    """Items of the execution table, one for each call that was made."""
    return opened(outcome).run.read("execution")["item"].to_pylist()


# --- running and running again ------------------------------------------------------------------


def test_every_item_of_every_stage_is_stored(run):
    code, outcome, _ = run("numbers=[2, 3]")
    stored = opened(outcome)
    assert (code, outcome["status"]) == (0, "ok")
    assert [row["square"] for row in stored.rows("squares")] == [4, 9]
    assert [row["root"] for row in stored.rows("checks")] == [2, 3]
    assert calls(outcome) == ["2", "3", "check.2", "check.3"]
    assert stored.run.manifest().status == "complete"
    assert (Path(outcome["path"]) / "files/3").read_bytes() == b"***"


def test_a_finished_run_makes_no_call_and_changes_no_byte(run):
    _, first, _ = run()
    before = science_bytes(first["path"])
    assert run()[1] == first
    assert science_bytes(first["path"]) == before
    assert len(calls(first)) == 6


def test_recipes_and_their_twins_run_by_name(run):
    assert run(more=("--recipe", "few"))[1]["rows"] == 6
    assert run(more=("--recipe", "few", "--smoke"))[1]["rows"] == 2
    assert run(more=("--recipe", "few-smoke"))[1]["rows"] == 2


@pytest.mark.parametrize("path", ["squares/squares-2.arrow", "checks/checks-2.json", "files/2"])
def test_what_is_damaged_is_named_and_made_again_alone(run, path):
    _, outcome, _ = run()
    before = science_bytes(outcome["path"])
    damaged = Path(outcome["path"]) / path
    damaged.write_bytes(damaged.read_bytes()[:-9] if "/2" not in path else b"")
    code, _, err = run()
    assert code == 0
    assert path.rpartition(".")[0] in "".join(err.split())
    assert science_bytes(outcome["path"]) == before
    assert (Path(outcome["path"]) / "files/2").read_bytes() == b"**"
    again = {item for item, times in Counter(calls(outcome)).items() if times > 1}
    assert again <= {"2", "check.2"}


@pytest.mark.parametrize("path", ["squares/squares-2.arrow", "checks/checks-2.json", "files/2"])
def test_what_is_missing_is_made_again(run, path):
    _, outcome, _ = run()
    before = science_bytes(outcome["path"])
    (Path(outcome["path"]) / path).unlink()
    assert run()[0] == 0
    assert science_bytes(outcome["path"]) == before
    assert (Path(outcome["path"]) / "files/2").exists()


def test_a_result_is_made_again_when_a_part_that_it_reads_changes(run):
    _, outcome, _ = run("numbers=[2]")
    stored = opened(outcome)
    row = stored.run.read_part("squares", "2")
    changed = row.set_column(5, row.schema.field("square"), [[16]])
    sidecar = stored.run.sidecar("squares", "2")
    stored.run.write_part("squares", "2", changed, sidecar.origin)
    run("numbers=[2]")
    assert opened(outcome).rows("checks")[0]["root"] == 4
    assert calls(outcome) == ["2", "check.2", "check.2"]


def test_changed_inputs_are_another_run_and_other_squares(run, tmp_path):
    (tmp_path / "offset").write_text("0")
    setting = f"offset={tmp_path}/offset"
    _, first, _ = run("numbers=[2]", setting)
    (tmp_path / "offset").write_text("12")
    _, second, _ = run("numbers=[2]", setting)
    assert first["run_id"] != second["run_id"]
    assert opened(second).rows("squares")[0]["square"] == 16
    assert calls(second) == ["2", "check.2"]


# --- failures -----------------------------------------------------------------------------------


def test_failures_are_rows_the_others_go_on_and_a_second_run_tries_them_again(run):
    code, outcome, err = run("numbers=[-1, 2, 1000]")
    rows = {row["item"]: row for row in opened(outcome).rows("squares")}
    assert (code, outcome["status"]) == (1, "failed")
    assert [rows[key]["status"] for key in ("-1", "2", "1000")] == ["failed", "ok", "over_budget"]
    assert [rows[key]["reason"] for key in ("-1", "1000")] == ["negative", "too large"]
    last = err.splitlines()[-1]
    assert last == "latticework: 2 of 3 not ok: -1: failed, negative; and 1 more"
    assert [row["item"] for row in opened(outcome).rows("checks")] == ["2"]
    assert opened(outcome).run.manifest().status == "partial"
    run("numbers=[-1, 2, 1000]")
    assert calls(outcome).count("2") == 1
    assert calls(outcome).count("-1") == 2


def test_an_item_without_rows_stays_to_be_done_and_says_why(run, monkeypatch):
    def fails(*_):
        raise ValueError("no luck")

    with monkeypatch.context() as patch:
        patch.setattr(toy_study, "check", fails)
        code, outcome, err = run("numbers=[2]")
    assert code == 1
    assert "1 of 1 not ok: 2: unfinished, no luck; run the same command again" in err
    assert run("numbers=[2]")[0] == 0
    assert calls(outcome).count("2") == 1


def test_a_machine_that_fails_is_a_row_too(run, monkeypatch):
    def fails(*_):
        raise InfrastructureError("the worker died")

    monkeypatch.setattr(toy_study, "square", fails)
    code, outcome, _ = run("numbers=[2]")
    assert code == 1
    assert opened(outcome).rows("squares")[0]["reason"] == "the worker died"


def test_a_killed_run_is_continued_to_the_same_bytes(run, prefect_api, tmp_path):
    numbers = "numbers=[1, 2, 3, 4]"
    killed = tmp_path / "killed"
    slow = ["--set", numbers, "--set", "pause=1", "--out", str(killed)]
    process = start_flow(prefect_api, *RUN, *slow)
    wait_until(lambda: list(killed.glob("squares/*/squares/squares-2.json")), process)
    os.killpg(process.pid, signal.SIGKILL)
    finish(process, code=-signal.SIGKILL)
    _, continued, _ = run(numbers, store=killed)
    _, whole, _ = run(numbers, store=tmp_path / "whole")
    assert science_bytes(continued["path"]) == science_bytes(whole["path"])
    assert calls(continued).count("1") == 1
    # Wherever the kill fell, every part has an execution row.
    assert set(calls(continued)) == {*"1234", *(f"check.{n}" for n in "1234")}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_are_one_line_and_exit_130(prefect_api, tmp_path, number):
    process = start_flow(prefect_api, *RUN, "--set", "pause=600", "--out", str(tmp_path))
    wait_for_line(process, "square: 0 of 3")
    os.killpg(process.pid, number)
    _, err = finish(process, code=130)
    assert err.splitlines()[-1] == "latticework: interrupted; finished parts are kept"
    assert "Traceback" not in err


# --- other runs ---------------------------------------------------------------------------------


def test_items_of_other_runs_are_taken_over_byte_by_byte(run, tmp_path):
    _, few, _ = run("numbers=[1, 2]")
    _, more, _ = run("numbers=[1, 2, 3]")
    _, fresh, _ = run("numbers=[1, 2, 3]", store=tmp_path / "fresh")
    assert science_bytes(more["path"]) == science_bytes(fresh["path"])
    assert (Path(more["path"]) / "files/2").read_bytes() == b"**"
    # The execution table tells who made them.
    rows = opened(more).run.read("execution").to_pylist()
    assert {row["item"]: row["run_id"] for row in rows} == {
        **dict.fromkeys(("1", "2", "check.1", "check.2"), few["run_id"]),
        **dict.fromkeys(("3", "check.3"), more["run_id"]),
    }


def test_failed_and_damaged_items_of_other_runs_are_not_taken_over(run):
    _, first, _ = run("numbers=[-1, 2, 3]")
    (Path(first["path"]) / "files/2").write_bytes(b"")
    part = Path(first["path"]) / "squares/squares-3.arrow"
    part.write_bytes(part.read_bytes()[:-1])
    _, second, _ = run("numbers=[-1, 2, 3, 4]")
    rows = opened(second).run.read("execution").to_pylist()
    assert {row["run_id"] for row in rows if row["item"] in "-1234"} == {second["run_id"]}


def test_a_run_of_older_code_is_continued_if_asked_and_names_both_versions(run, monkeypatch):
    _, old, _ = run("numbers=[1, 2]")
    newer = lambda *modules: code_digest(*modules)[::-1]  # noqa: E731 - another code
    monkeypatch.setattr("flows.planning.code_digest", newer)
    monkeypatch.setattr("flows.planning.code_version", lambda *m: f"0+{newer(*m)}")
    _, new, _ = run("numbers=[1, 2, 3]", more=("--continue", old["run_id"]))
    assert new["run_id"] != old["run_id"]
    versions = dict(
        zip("123", opened(new).table("squares")["code_version"].to_pylist(), strict=True)
    )
    assert versions["1"] == opened(old).run.identity.code_version
    assert versions["3"] == opened(new).run.identity.code_version
    assert versions["1"] == versions["2"] != versions["3"]
    assert calls(new).count("1") == 1
    # It stays continued, also without being asked; a third run takes over what the new code made.
    before = science_bytes(new["path"])
    run("numbers=[1, 2, 3]")
    assert science_bytes(new["path"]) == before
    _, third, _ = run("numbers=[1, 2, 3, 4]")
    assert calls(third).count("1") == 1
    assert set(opened(third).table("squares")["code_version"].to_pylist()) == {versions["3"]}
    rows = opened(third).run.read("execution").to_pylist()
    made_by = {row["item"]: row["run_id"] for row in rows}
    assert made_by["1"] == third["run_id"]
    assert made_by["3"] == new["run_id"]


def test_what_cannot_be_continued_is_refused_and_leaves_no_run(run, tmp_path):
    code, outcome, _ = run(more=("--continue", "nothing"))
    assert (code, outcome["status"]) == (2, "refused")
    assert not list(tmp_path.glob("squares/*"))
    _, old, _ = run("numbers=[1]")
    record = Path(old["path"]) / "run.json"
    record.write_text(record.read_text().replace('"schema_version": 2', '"schema_version": 1'))
    code, outcome, _ = run("numbers=[1, 2]", more=("--continue", old["run_id"]))
    assert code == 2
    assert "it can be read, but not continued" in outcome["error"]


def test_a_run_of_which_nothing_can_be_taken_over_is_named(run):
    _, old, _ = run("numbers=[1]")
    code, _, err = run("numbers=[2]", more=("--continue", old["run_id"]))
    assert code == 0
    assert f"nothing of run {old['run_id']} is left to be taken over" in err


def test_a_key_that_is_too_long_for_any_stage_is_refused_before_the_first_call(run, tmp_path):
    number = "1" * 196
    code, outcome, _ = run(f"numbers=[{number}]")
    assert code == 2
    assert "takes 202 bytes as a file name" in outcome["error"]
    assert not list(tmp_path.glob("squares/*"))


def test_a_run_of_an_older_release_is_reported_or_refused_but_never_misread(run, tmp_path, capsys):
    _, old, _ = run("numbers=[2]")
    record = Path(old["path"]) / "run.json"
    record.write_text(record.read_text().replace('"schema_version": 2', '"schema_version": 1'))
    assert main(["results", old["path"]]) == 0
    assert "1 numbers" in capsys.readouterr().out
    older = RunIdentity("squares", '{"digits": [2]}', (), "0.0+1")
    path = Store.open(tmp_path / "older").open_run(older, ("squares", "checks"), ["2"]).path
    record = Path(path) / "run.json"
    record.write_text(record.read_text().replace('"schema_version": 2', '"schema_version": 1'))
    assert main(["results", path]) == 2
    assert "settings that have other names now (digits)" in capsys.readouterr().err


# --- reports, figures, commands -----------------------------------------------------------------


def test_a_report_of_damaged_parts_begins_with_them(run):
    _, outcome, _ = run()
    part = Path(outcome["path"]) / "squares/squares-2.arrow"
    part.write_bytes(part.read_bytes()[:-1])
    findings = report_of(toy_study.STUDY, opened(outcome)).findings
    again = "run the same command again to make it whole"
    assert findings == [f"1 damaged part is left out of this report: {again}", "2 numbers"]


@pytest.mark.parametrize("line", ["a|b", "`x|y*z` [k]", "x_1 * _y_ <J>", "\\ ~ `"])
def test_findings_are_read_from_the_report_as_they_were(run, line):
    _, outcome, _ = run("numbers=[1]")
    stored = opened(outcome).run
    text = markdown(Report([line, "second"]), stored)
    stored.volume.write("report.md", text.encode())
    assert stored_findings(stored) == [line, "second"]


def test_pictures_of_odd_names_are_found_from_the_report(run):
    _, outcome, _ = run("numbers=[1]")
    figure = Figure("figures/a%2Fb c.png", None, ())
    assert "](figures/a%252Fb%20c.png)" in markdown(Report([]), opened(outcome).run, [figure])


def test_sql_knows_tables_without_rows(run, capsys):
    _, outcome, _ = run("numbers=[-1]")
    assert main(["results", outcome["path"], "--sql", "select count(*) as n from checks"]) == 0
    assert "0" in capsys.readouterr().out


def test_the_report_has_three_forms(run, prefect_api, tmp_path, capsys, artifacts_of):
    assert main([*RUN, "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[1] == "3 numbers"
    assert "figures/squares.png" in out
    config = toy_study.SquaresConfig()
    flow = flow_of(toy_study.STUDY)
    state = flow(config, store=str(tmp_path), ray_address="serial", return_state=True)
    artifacts = artifacts_of(state)
    assert {"markdown", "table"} <= {artifact["type"] for artifact in artifacts}
    assert any("* 3 numbers" in str(artifact["data"]) for artifact in artifacts)
    stored = opened({"path": str(next(tmp_path.glob("squares/*")))})
    text = (Path(stored.run.path) / "report.md").read_text()
    figures = figures_of(toy_study.STUDY, stored)
    assert text == markdown(report_of(toy_study.STUDY, stored), stored.run, figures)
    assert "| 3 | 9 |" in text
    assert "](figures/squares.png)" in text
    capsys.readouterr()
    assert main(["results", "--out", str(tmp_path), "--last", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "  3 numbers"


def test_a_figure_is_drawn_again_when_it_is_damaged_or_its_rows_change(run):
    _, outcome, _ = run("numbers=[1]")
    picture = Path(outcome["path"]) / "figures/squares.png"
    before = picture.read_bytes()
    picture.write_bytes(before[:50])
    run("numbers=[1]")
    assert picture.read_bytes() == before
    stored = opened(outcome)
    drawn = picture.stat().st_mtime_ns
    draw_figures(stored, figures_of(toy_study.STUDY, stored), only_missing=True)
    assert picture.stat().st_mtime_ns == drawn
    stored.write("squares", "1", [{"item": "1", "square": 7}])
    draw_figures(stored, figures_of(toy_study.STUDY, stored), only_missing=True)
    assert picture.stat().st_mtime_ns > drawn


def test_a_study_has_commands_of_its_own(run, tmp_path, capsys):
    _, outcome, _ = run("numbers=[1]")
    assert main(["write", outcome["path"], "--to", "here"]) == 0
    assert capsys.readouterr().out == "here: 1\n"
    assert main(["certify", outcome["path"]]) == 2
    assert "for which there is no certify" in capsys.readouterr().err


def test_its_certificates_are_verified_by_kind(tmp_path, capsys):
    (tmp_path / "good").write_text('{"kind": "square", "root": 2, "square": 4}')
    (tmp_path / "bad").write_text('{"kind": "square", "root": 2, "square": 5}')
    assert main(["verify", str(tmp_path / "good")]) == 0
    assert main(["verify", str(tmp_path / "good"), str(tmp_path / "bad")]) == 1
    (tmp_path / "other").write_text('{"kind": "cube"}')
    assert main(["verify", str(tmp_path / "other")]) == 2
    assert "its kind is 'cube'; known are" in capsys.readouterr().err


def test_list_and_show_know_the_study(capsys):
    assert main(["list"]) == 0
    assert main(["show", "squares"]) == 0
    out = capsys.readouterr().out
    assert "--recipe few: three numbers" in out
    assert "Seconds of one call." in out


def test_the_form_of_the_flow_explains_and_bounds_its_fields():
    schema = flow_of(toy_study.STUDY).parameters.model_dump()
    text = json.dumps(schema)
    assert "Seconds of one call." in text
    assert set(schema["properties"]) == {"config", "store", "ray_address", "continued"}


def test_prefect_finds_the_flow_by_its_entrypoint():
    from prefect.flows import load_flow_from_entrypoint

    assert load_flow_from_entrypoint("flows.engine.squares").name == "squares"


@pytest.mark.ray
def test_ray_and_serial_give_the_same_bytes(run, local_ray, tmp_path):
    _, serial, _ = run()
    _, ray, _ = run(store=tmp_path / "ray", more=("--address", "local"))
    assert ray["run_id"] == serial["run_id"]
    assert science_bytes(ray["path"]) == science_bytes(serial["path"])
