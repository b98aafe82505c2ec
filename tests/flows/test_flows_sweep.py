"""The flow `tcurve-sweep` end to end, through the command, on tiny triangulations without Ray."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from flows.steps import device_profile

from flows.cli import main
from flows.tcurve_sweep import SweepTally, tcurve_sweep
from gpu import backend
from tasks.records import Store
from tasks.tcurves import SweepConfig, run_sweep_item
from workers import PROFILES, SerialExecutor

pytestmark = pytest.mark.flow

NAMES = ["2_honeycomb", "4_honeycomb"]
KEYS = ["2_honeycomb.000000", *(f"4_honeycomb.{i:06d}" for i in range(3))]
RUN = [
    *("run", "tcurve-sweep", "--address", "serial", "--set", "shard_size=1500"),
    *("--set", f"triangulations={json.dumps(NAMES)}"),
]


@pytest.fixture
def without_pictures(monkeypatch):
    """Pictures take longer than everything else of a tiny sweep."""
    monkeypatch.setattr("flows.reports.draw_figures", lambda *_, **__: [])


@pytest.fixture
def sweep(prefect_api, without_pictures, tmp_path, capsys):
    """Run the sweep with --json into one store: (exit code, the JSON object, stderr)."""

    def run(*arguments: str) -> tuple[int, dict, str]:
        code = main([*RUN, "--out", str(tmp_path), "--json", *arguments])
        captured = capsys.readouterr()
        return code, json.loads(captured.out.splitlines()[-1]), captured.err

    return run


def science_bytes(path: str) -> dict[str, bytes]:
    """Every deterministic file of a run."""
    files = (p for p in Path(path).rglob("*") if p.suffix in (".arrow", ".json"))
    return {p.name: p.read_bytes() for p in files if p.parent.name != "execution"}


def stored(path: str):
    return Store.open(Path(path).parents[1]).find_run(path)


def executed(path: str) -> list[str]:
    """Items of the execution table, one per call that was made."""
    return stored(path).read("execution")["item"].to_pylist()


def test_every_shard_and_every_triangulation_is_stored(sweep):
    code, outcome, _ = sweep()
    assert (code, outcome["status"]) == (0, "ok")
    run = stored(outcome["path"])
    assert run.read("shards")["item"].to_pylist() == KEYS
    assert sum(run.read("shards")["evaluations"].to_pylist()) == 8 + 4096
    assert run.read("summary")["num_schemes"].to_pylist() == [1, 5]
    assert sum(run.read("histogram")["count"].to_pylist()) == 8 + 4096
    assert all(run.read("verification")["agrees"].to_pylist())
    assert run.manifest().status == "complete"
    assert executed(outcome["path"]) == [*KEYS, *(f"verify.{name}" for name in NAMES)]


def test_a_finished_run_is_not_computed_again(sweep):
    _, first, _ = sweep()
    before = science_bytes(first["path"])
    assert sweep("--set", "device=cpu")[1] == first
    assert science_bytes(first["path"]) == before
    assert len(executed(first["path"])) == 6


def test_a_damaged_shard_is_named_and_done_again_alone(sweep):
    _, first, _ = sweep()
    before = science_bytes(first["path"])
    part = Path(first["path"]) / "sweep/sweep-4_honeycomb.000001.arrow"
    part.write_bytes(part.read_bytes()[:-100])
    code, _, err = sweep()
    assert code == 0
    assert "sweep/sweep-4_honeycomb.000001.arrow" in "".join(err.split())
    assert science_bytes(first["path"]) == before
    again = executed(first["path"])
    assert again.count("4_honeycomb.000001") == 2
    assert len(again) == 7


def test_a_shard_that_fails_is_a_row_and_the_others_go_on(sweep, monkeypatch, capsys, tmp_path):
    def fails(item):
        if item.key == "4_honeycomb.000001":
            raise RuntimeError("no luck")
        return run_sweep_item(item)

    with monkeypatch.context() as patched:
        patched.setattr("flows.tcurve_sweep.run_sweep_item", fails)
        code, outcome, err = sweep()
    assert code == 1
    assert err.splitlines()[-1].startswith(
        "latticework: 1 of 4 not ok: 4_honeycomb.000001: failed, "
    )
    run = stored(outcome["path"])
    assert run.read("summary")["triangulation"].to_pylist() == ["2_honeycomb"]
    assert run.manifest().status == "partial"
    main(["results", outcome["path"], "--out", str(tmp_path)])
    report = capsys.readouterr().out
    assert "4_honeycomb.000001: failed, " in report
    assert "no luck" in report
    assert sweep()[0] == 0
    assert executed(outcome["path"]).count("4_honeycomb.000000") == 1


def test_random_signs_and_balls_run_too(sweep):
    for settings in (["signs=random", "samples=1600", "seed=3"], ["signs=ball", "radius=1"]):
        code, outcome, _ = sweep(*(word for s in settings for word in ("--set", s)))
        assert (code, outcome["status"]) == (0, "ok")
    assert stored(outcome["path"]).read("shards")["evaluations"].to_pylist() == [7, 16]


def test_the_report_and_its_pictures(prefect_api, tmp_path, capsys):
    assert main([*RUN, "--out", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert "sweep: 4 of 4 (4,104 evaluations, " in captured.err
    for line in (
        "union of degree 2: 1 of the 1 non-empty real schemes that exist",
        "degree 4: schemes that no curve of this degree has: none",
        "witnesses derived again by another algorithm: 6, agree: 6",
        "figures/curve-4_honeycomb.png",
    ):
        assert line in captured.out
    assert "union-find" not in captured.out
    assert main(["plot", "latest", "--out", str(tmp_path)]) == 0
    pictures = capsys.readouterr().out.splitlines()
    assert len(pictures) == 6
    assert all(Path(picture).is_file() for picture in pictures)


@pytest.mark.usefixtures("without_pictures")
def test_live_progress_is_an_artifact_in_prefect(artifacts_of, tmp_path):
    config = SweepConfig(triangulations=("3_honeycomb",), shard_size=64)
    state = tcurve_sweep(config, store=str(tmp_path), ray_address="serial", return_state=True)
    assert state.is_completed()
    mine = artifacts_of(state)
    told = [a["description"] for a in mine if a["type"] == "progress"]
    assert any("sweep: 2 of 2 items done; 128 evaluations, " in text for text in told)
    assert any("2 schemes (newest in 3_honeycomb.000000)" in text for text in told)
    assert any("union of degree 3: 2 of the 2" in str(a["data"]) for a in mine)


def test_a_gpu_that_is_not_there_is_one_line_before_anything_starts(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(backend, "cuda_problem", lambda: "no CUDA device is visible")
    assert main([*RUN, "--set", "device=cuda", "--out", str(tmp_path / "new")]) == 2
    captured = capsys.readouterr()
    assert captured.err == (
        "latticework: device=cuda: no GPU can be used: no CUDA device is visible; "
        "use device=auto or device=cpu\n"
    )
    assert captured.out == ""
    assert not (tmp_path / "new").exists()


def test_the_flow_itself_refuses_a_gpu_that_is_not_there(prefect_api, tmp_path, monkeypatch):
    monkeypatch.setattr(backend, "cuda_problem", lambda: "no CUDA device is visible")
    config = SweepConfig(triangulations=("2_honeycomb",), device="cuda")
    state = tcurve_sweep(config, store=str(tmp_path), ray_address="serial", return_state=True)
    assert state.is_failed()
    assert state.message.startswith("device=cuda: no GPU can be used")


class WithGpus(SerialExecutor):
    address = "head:6379"

    def check(self, profile) -> None:
        """Offer everything."""


def test_a_call_reserves_a_gpu_if_its_device_needs_one(monkeypatch):
    monkeypatch.setattr("flows.steps.cuda_problem", lambda: "no CUDA device is visible")
    assert device_profile("cpu", WithGpus()) is PROFILES["cpu"]
    assert device_profile("cuda", SerialExecutor()) is PROFILES["gpu"]
    assert device_profile("auto", SerialExecutor()) is PROFILES["cpu"]
    assert device_profile("auto", WithGpus()) is PROFILES["gpu"]
    monkeypatch.setattr("workers.executors.gpu_models", list)
    monkeypatch.setattr("flows.steps.cuda_problem", lambda: "")
    assert device_profile("auto", SerialExecutor()) is PROFILES["cpu"]


def test_the_tally_counts_what_is_stored_but_not_in_its_rate(sweep):
    _, outcome, _ = sweep()
    run = stored(outcome["path"])
    tally = SweepTally(run)
    assert tally.describe() == (
        "4,104 evaluations, 0 per second, 6 schemes (newest in 4_honeycomb.000000)"
    )
    strange = run.read("sweep").slice(0, 1).to_pylist()[0] | {"scheme": "<1<1<1>>>"}
    table = pa.Table.from_pylist([strange], schema=run.read("sweep").schema)
    tally.add({"sweep": table, "shards": run.read("shards").slice(0, 1)})
    assert "7 schemes" in tally.describe()
    assert tally.describe().endswith(", 1 of them not in the classification")


@pytest.mark.ray
@pytest.mark.slow
def test_ray_and_serial_give_the_same_bytes(sweep, local_ray, tmp_path):
    _, serial, _ = sweep()
    _, ray, _ = sweep("--address", "local", "--out", str(tmp_path / "ray"))
    assert ray["run_id"] == serial["run_id"]
    assert science_bytes(ray["path"]) == science_bytes(serial["path"])


@pytest.mark.slow
def test_a_killed_run_is_continued_to_the_same_bytes(sweep, prefect_api, tmp_path):
    slow = ["--set", 'triangulations=["5_honeycomb"]', "--set", "shard_size=8192"]
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *RUN, *slow, "--out", str(tmp_path / "killed")],
        env=os.environ | {"PREFECT_API_URL": prefect_api},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert any("sweep: 3 of 32" in line for line in iter(process.stderr.readline, ""))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=240)
    _, continued, _ = sweep(*slow, "--out", str(tmp_path / "killed"))
    _, whole, _ = sweep(*slow)
    assert science_bytes(continued["path"]) == science_bytes(whole["path"])
    # At most the shard in flight was done twice.
    assert 33 <= len(executed(continued["path"])) <= 34
