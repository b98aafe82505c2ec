"""The flow end to end, through the command, on tiny triangulations without Ray."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest
from commands import finish, start_python, wait_until

from flows.cli import main
from flows.engine import flow_of
from flows.tcurve_census import STUDY
from tasks.records import Store
from tasks.tcurves import CensusConfig

pytestmark = pytest.mark.flow

NAMES = ["2_honeycomb", "3_honeycomb"]
RUN = [
    "run",
    "tcurve-census",
    "--address",
    "serial",
    "--set",
    f"triangulations={json.dumps(NAMES)}",
]


@pytest.fixture
def without_pictures(monkeypatch):
    """Pictures take longer than everything else of a tiny census."""
    monkeypatch.setattr("flows.reports.figures_of", lambda *_: [])


no_pictures = pytest.mark.usefixtures("without_pictures")


@pytest.fixture
def census(prefect_api, tmp_path, capsys):
    """Run the census with --json into one store: (exit code, the JSON object, stderr)."""

    def run(*arguments: str) -> tuple[int, dict, str]:
        code = main([*RUN, "--out", str(tmp_path), "--json", *arguments])
        captured = capsys.readouterr()
        return code, json.loads(captured.out.splitlines()[-1]), captured.err

    return run


def executed(path: str) -> list[str]:
    """Items of the execution table, one per call that was made."""
    return Store.open(Path(path).parents[1]).find_run(path).read("execution")["item"].to_pylist()


def test_the_json_object_says_where_the_results_are(census):
    code, outcome, _ = census()
    assert code == 0
    assert set(outcome) == {"run_id", "path", "status", "rows"}
    assert outcome["status"] == "ok"
    run = Store.open(Path(outcome["path"]).parents[1]).find_run(outcome["run_id"])
    tables = {table: run.read(table) for table in run.science_tables}
    assert outcome["rows"] == sum(table.num_rows for table in tables.values())
    assert tables["histogram"]["scheme"].to_pylist() == ["<1>", "<J>", "<Jv1>"]
    assert tables["summary"]["num_schemes"].to_pylist() == [1, 2]
    assert all(tables["verification"]["agrees"].to_pylist())
    assert run.manifest().status == "complete"


def test_tables_are_arrow_ipc_files_and_pictures_are_png(census):
    _, outcome, _ = census()
    path = Path(outcome["path"])
    with pa.memory_map(str(path / "histogram/histogram-3_honeycomb.arrow")) as file:
        assert pa.ipc.open_file(file).read_all().num_rows == 2
    pictures = sorted(p.name for p in (path / "figures").iterdir())
    assert "curve-3_honeycomb.png" in pictures
    assert "histogram-2_honeycomb.png" in pictures
    assert all((path / "figures" / p).read_bytes().startswith(b"\x89PNG") for p in pictures)


@no_pictures
def test_the_memory_budget_is_a_row_and_exit_1_and_a_larger_one_mends_it(census, capsys):
    tight = ["--set", 'triangulations=["2_honeycomb", "7_honeycomb"]', "--set", "memory_gib=1e-4"]
    code, outcome, err = census(*tight)
    assert (code, outcome["status"]) == (1, "failed")
    last = err.splitlines()[-1]
    assert last.startswith("latticework: 1 of 2 not ok: 7_honeycomb: over_budget, ")
    assert "Traceback" not in err
    run = Store.open(Path(outcome["path"]).parents[1]).find_run(outcome["run_id"])
    assert run.read("summary")["status"].to_pylist() == ["ok", "over_budget"]
    assert run.read("summary")["reason"].to_pylist()[0] == ""
    assert run.manifest().status == "partial"
    code, mended, _ = census(*tight[:2], "--set", "memory_gib=1")
    assert (code, mended["status"], mended["run_id"]) == (0, "ok", outcome["run_id"])
    assert executed(outcome["path"]).count("2_honeycomb") == 1


def test_the_report_compares_each_degree_with_what_is_known(prefect_api, tmp_path, capsys):
    assert main([*RUN, "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "union of degree 2: 1 of the 1 non-empty real schemes that exist" in out
    assert "union of degree 3: 2 of the 2 non-empty real schemes that exist" in out
    assert "3_honeycomb" in out
    assert "results: " in out
    assert "figures/coverage-2.png" in out


def test_results_and_plot_work_from_the_store_alone(census, tmp_path, capsys, monkeypatch):
    _, outcome, _ = census()
    monkeypatch.setenv("LATTICEWORK_STORE", str(tmp_path))
    assert main(["results"]) == 0
    assert f"tcurve-census/{outcome['run_id']}  complete" in capsys.readouterr().out
    assert main(["results", outcome["run_id"][:6]]) == 0
    assert "union of degree 3" in capsys.readouterr().out
    sql = "SELECT scheme, count FROM histogram WHERE triangulation = '3_honeycomb' ORDER BY scheme"
    assert main(["results", "latest", "--sql", sql]) == 0
    assert "<Jv1>" in capsys.readouterr().out
    assert main(["results", "latest", "--sql", "SELECT nope"]) == 2
    for picture in Path(outcome["path"]).glob("figures/*"):
        picture.unlink()
    assert main(["plot", "latest"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 4
    assert all(Path(line).is_file() for line in lines)


def test_results_of_a_file_need_the_file_no_more(census, tmp_path, capsys):
    triangles = [[0, 1, 2]]
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"one": {"degree": 1, "triangles": triangles}}))
    code, outcome, _ = census("--set", f"triangulations={path}")
    assert (code, outcome["status"]) == (0, "ok")
    path.unlink()
    for picture in Path(outcome["path"]).glob("figures/*"):
        picture.unlink()
    assert main(["plot", outcome["path"]]) == 0
    assert "figures/curve-one.png" in capsys.readouterr().out


@no_pictures
def test_the_flow_itself_describes_a_failure_in_its_state(prefect_api, tmp_path):
    (tmp_path / "file").write_text("")
    config = CensusConfig(triangulations=("2_honeycomb",))
    state = flow_of(STUDY)(
        config, store=str(tmp_path / "file"), ray_address="serial", return_state=True
    )
    assert state.is_failed()
    assert "is a file, not a folder" in state.message


@no_pictures
def test_the_run_leaves_a_report_in_prefect(artifacts_of, tmp_path):
    config = CensusConfig(triangulations=("3_honeycomb",))
    state = flow_of(STUDY)(config, store=str(tmp_path), ray_address="serial", return_state=True)
    mine = artifacts_of(state)
    assert {artifact["type"] for artifact in mine} >= {"markdown", "table", "progress"}
    assert any("union of degree 3: 2 of the 2" in str(artifact["data"]) for artifact in mine)


@no_pictures
def test_log_lines_of_the_project_reach_the_flow_s_page(prefect_api, tmp_path):
    from prefect.client.orchestration import get_client

    config = CensusConfig(triangulations=("2_honeycomb",))
    state = flow_of(STUDY)(config, store=str(tmp_path), ray_address="serial", return_state=True)
    wanted = {"logs": {"flow_run_id": {"any_": [str(state.state_details.flow_run_id)]}}}

    def is_there():
        with get_client(sync_client=True) as client:
            found = client._client.post("/logs/filter", json=wanted).json()
        return any("schemes among" in log["message"] for log in found)

    wait_until(is_there)  # Prefect sends its logs in batches, every two seconds.


def test_names_and_cells_are_never_read_as_markup(prefect_api, tmp_path, capsys):
    name = "[red]x[/red] [/nope]"
    content = {"name": name, "degree": 1, "triangles": [[0, 1, 2]]}
    (tmp_path / "names.json").write_text(json.dumps(content))
    arguments = ["--out", str(tmp_path / "store"), "--set", f"triangulations={tmp_path}/names.json"]
    assert main([*RUN[:4], *arguments]) == 0
    assert name in capsys.readouterr().out
    query = ["--sql", f"select '{name}' as a", "--out", str(tmp_path / "store")]
    assert main(["results", "latest", *query]) == 0
    assert name in capsys.readouterr().out


@pytest.mark.e2e
def test_a_run_whose_prefect_server_is_killed_ends_with_one_line(tmp_path):
    command = ["-m", "flows.cli", "run", "tcurve-census", "--address", "serial"]
    # A census of every sign class of degree 6 takes minutes in this engine.
    command += ["--set", "engine=union-find", "--json"]
    command += ["--set", 'triangulations=["2_honeycomb","6_bat"]']
    without = {k: v for k, v in os.environ.items() if k != "PREFECT_API_URL"}
    process = start_python(*command, "--out", str(tmp_path), env=without)
    wait_until(lambda: list(tmp_path.glob("*/*/summary/*.json")), process)
    family = f"ps -o pid=,args= --ppid {process.pid} --ppid $(pgrep -P {process.pid} | head -1)"
    listing = subprocess.run(family, shell=True, capture_output=True, text=True, check=False).stdout
    server = next(int(line.split()[0]) for line in listing.splitlines() if "uvicorn" in line)
    os.kill(server, signal.SIGKILL)
    out, err = finish(process, code=1)
    assert json.loads(out.splitlines()[-1])["status"] == "failed"
    assert err.splitlines()[-1].startswith("latticework: the temporary Prefect server ended")
