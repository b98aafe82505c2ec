"""The hunt through the command, without Ray."""

import json
import signal
import subprocess
from pathlib import Path

import pytest
from commands import finish, run_python, start_python, wait_until

from flows.cli import main
from tasks.records import InfrastructureError, Store
from tasks.tcurves import hunt_rounds

pytestmark = pytest.mark.flow

RUN = ["run", "tcurve-hunt", "--address", "serial", "--json", "--set", "degree=5"]


@pytest.fixture
def hunt(prefect_api, tmp_path, capsys):
    """Run a small hunt into one store: (exit code, the JSON object)."""

    def run(*arguments: str, store: Path = tmp_path) -> tuple[int, dict]:
        code = main([*RUN, "--set", "round_size=4", "--out", str(store), *arguments])
        return code, json.loads(capsys.readouterr().out.splitlines()[-1])

    return run


def stored(outcome):
    return Store.open(Path(outcome["path"]).parents[1]).find_run(outcome["run_id"])


def science_bytes(path):
    files = (p for p in Path(path).rglob("*.arrow") if p.parent.name != "execution")
    return {p.name: p.read_bytes() for p in files}


def test_a_hunt_stops_with_all_schemes_and_shows_what_it_found(hunt):
    code, outcome = hunt("--set", "stop_at=8")
    assert (code, outcome["status"]) == (0, "ok")
    run = stored(outcome)
    assert run.manifest().status == "complete"
    archive = run.read("archive")
    assert len(set(archive["scheme"].to_pylist())) == 8
    assert set(archive["is_known"].to_pylist()) == {True}
    assert (Path(outcome["path"]) / "figures" / "discovery.png").is_file()


def test_a_hunt_that_is_run_again_goes_on_where_it_stopped(hunt, tmp_path):
    # The number of rounds decides; a hunt stopped early and continued is the same hunt.
    _, first = hunt("--set", "stop_at=3")
    begun = len(stored(first).read("candidates"))
    _, second = hunt("--set", "stop_at=8")
    assert first["run_id"] == second["run_id"]
    assert len(stored(second).read("candidates")) >= begun
    _, whole = hunt("--set", "stop_at=8", store=tmp_path / "other")
    assert science_bytes(second["path"]) == science_bytes(whole["path"])


def test_a_damaged_part_is_made_again(hunt):
    settings = ("--set", "stop_at=40", "--set", "degree=6")
    _, outcome = hunt(*settings)
    before = science_bytes(outcome["path"])
    part = sorted(Path(outcome["path"]).glob("candidates/*.arrow"))[1]
    part.write_bytes(part.read_bytes()[:-100])
    code, again = hunt(*settings)
    assert code == 0
    after = science_bytes(again["path"])
    assert {name: after[name] for name in before} == before


def wait_for_candidates(store: Path, count: int, process: subprocess.Popen) -> None:
    wait_until(lambda: len(list(store.glob("*/*/candidates/*.json"))) >= count, process)


def test_a_killed_hunt_loses_no_stored_candidate(prefect_api, tmp_path):
    command = ["-m", "flows.cli", *RUN, "--out", str(tmp_path)]
    command += ["--set", "degree=6", "--set", "stop_at=54", "--set", "round_size=8"]
    process = start_python(*command)
    wait_for_candidates(tmp_path, 5, process)
    process.kill()
    finish(process, code=-signal.SIGKILL)
    kept = science_bytes(next(tmp_path.glob("*/*")))
    assert len(kept) >= 5
    run_python(*command, "--set", "stop_at=40")
    after = science_bytes(next(tmp_path.glob("*/*")))
    assert {name: after[name] for name in kept} == kept


def test_items_lost_with_their_workers_are_done_when_the_hunt_is_run_again(
    hunt, tmp_path, monkeypatch, capsys
):
    def lost_in_round_1(work):
        if work.round == 1:
            raise InfrastructureError("the worker died")
        return hunt_rows(work)

    hunt_rows = hunt_rounds.hunt_rows

    settings = ("--set", "degree=6", "--set", "stop_at=40")
    with monkeypatch.context() as patch:
        patch.setattr(hunt_rounds, "hunt_rows", lost_in_round_1)
        code = main([*RUN, "--set", "round_size=4", "--out", str(tmp_path), *settings])
    captured = capsys.readouterr()
    assert code == 1
    assert "round 1: 1 of 1 items were lost with their workers" in captured.err.splitlines()[-1]
    _, again = hunt(*settings)
    _, whole = hunt(*settings, store=tmp_path / "other")
    assert science_bytes(again["path"]) == science_bytes(whole["path"])


def test_a_seed_that_gives_nothing_is_said_with_its_reason(prefect_api, tmp_path, capsys):
    settings = ("--set", "degree=6", "--set", "memory_gib=1e-6")
    code = main([*RUN, *settings, "--out", str(tmp_path)])
    assert code == 1
    assert "no start gave a scheme: " in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("degree=10", "degree: 10 is not allowed"),
        ("degree=2", "degree: 2 is not allowed"),
        ("starts=6_bat", "this hunt is in degree 5"),
        ("known=/no/such/file", "cannot read the known schemes"),
        ("round_size=0", "round_size: 0 is not allowed"),
    ],
)
def test_bad_settings_are_refused_in_one_line(setting, message, capsys, tmp_path):
    assert main([*RUN, "--out", str(tmp_path), "--set", setting]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
