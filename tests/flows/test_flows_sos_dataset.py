"""The flow `sos-dataset` end to end, through the command, on small data sets without Ray."""

import json
import os
import signal
from pathlib import Path

import pytest
from commands import finish, start_flow, wait_for_line

from flows.cli import main
from flows.sos_dataset import DatasetTally, sos_dataset
from flows.sos_dataset_reports import markdown_report, report_rows
from tasks.records import Store
from tasks.sos.sampling.datasets import DatasetConfig, run_dataset_item
from tasks.sos.sampling.reading import ShardReader

pytestmark = pytest.mark.flow

RUN = ["run", "sos-dataset", "--address", "serial"]
SMALL = [
    *("--set", 'families=["dense", "vanishing"]'),
    *("--set", 'grid=["n3-d4-m8"]'),
    *("--set", "rows=40"),
    *("--set", "shard_rows=20"),
]
KEYS = [f"{family}-n3-d4-m8.00000{k}" for family in ("dense", "vanishing") for k in range(2)]


@pytest.fixture
def generated(prefect_api, tmp_path, capsys, monkeypatch):
    """Run the flow with --json into one store: (exit code, the JSON object, stderr)."""
    monkeypatch.setattr("flows.sos_dataset_reports.draw_figures", lambda *_, **__: [])

    def run(*arguments: str) -> tuple[int, dict, str]:
        code = main([*RUN, *SMALL, "--out", str(tmp_path), "--json", *arguments])
        captured = capsys.readouterr()
        return code, json.loads(captured.out.splitlines()[-1]), captured.err

    return run


def science_bytes(path: str) -> dict[str, bytes]:
    """Every deterministic file of a run."""
    files = (p for p in Path(path).rglob("*") if p.suffix in (".arrow", ".json"))
    return {p.name: p.read_bytes() for p in files if p.parent.name != "execution"}


def stored(path: str):
    return Store.open(Path(path).parents[1]).find_run(path)


def calls(path: str) -> list[str]:
    return stored(path).read("execution")["item"].to_pylist()


def test_every_shard_is_stored_with_its_card(generated):
    code, outcome, _ = generated()
    assert (code, outcome["status"]) == (0, "ok")
    run = stored(outcome["path"])
    assert run.manifest().status == "complete"
    assert run.read("cards")["item"].to_pylist() == KEYS
    assert run.read("polynomials").num_rows == 80
    assert (
        ShardReader([outcome["path"]]).num_rows
        + sum(
            ShardReader([outcome["path"]], split=split).num_rows for split in ("validation", "test")
        )
        == 80
    )


def test_the_report_has_a_row_per_data_set_and_the_cost_of_more(generated):
    _, outcome, _ = generated()
    run = stored(outcome["path"])
    assert [row["card"].num_rows for row in report_rows(run)] == [40, 40]
    assert all(row["bytes"] > 0 and row["seconds"] > 0 for row in report_rows(run))
    text = markdown_report(run)
    assert "dense-n3-d4-m8" in text
    assert "* 80 polynomials: " in text
    assert "* polynomials that occur before: 0, all in the same split" in text
    assert "* 100,000,000 such polynomials: " in text
    assert DatasetTally(run).describe().startswith("80 polynomials, ")


def test_a_finished_run_is_not_computed_again_and_damage_is_mended(generated):
    _, first, _ = generated()
    before = science_bytes(first["path"])
    assert generated()[1] == first
    assert len(calls(first["path"])) == 4
    for table, key in (("polynomials", KEYS[1]), ("cards", KEYS[2])):
        part = Path(first["path"]) / f"{table}/{table}-{key}.arrow"
        part.write_bytes(part.read_bytes()[:-100])
    code, _, err = generated()
    assert code == 0
    assert f"polynomials-{KEYS[1]}.arrow" in "".join(err.split())
    assert science_bytes(first["path"]) == before
    assert sorted(calls(first["path"])) == sorted([*KEYS, KEYS[1], KEYS[2]])


def test_a_killed_run_is_continued_to_the_same_bytes(generated, prefect_api, tmp_path):
    more = ["--set", "rows=600", "--set", "shard_rows=20"]
    process = start_flow(prefect_api, *RUN, *SMALL, *more, "--out", str(tmp_path / "killed"))
    wait_for_line(process, "generate: 3 of 60")
    os.killpg(process.pid, signal.SIGKILL)
    finish(process, code=-signal.SIGKILL)
    _, continued, _ = generated(*more, "--out", str(tmp_path / "killed"))
    # What was in flight when the kill came may have its row, and was done again.
    made = calls(continued["path"])
    assert len(set(made)) == 60 and len(made) <= 61
    _, whole, _ = generated(*more)
    assert science_bytes(continued["path"]) == science_bytes(whole["path"])


def test_a_shard_that_raises_is_a_card_and_the_next_run_mends_it(generated, monkeypatch):
    def fails(item):
        if item.key == KEYS[2]:
            raise RuntimeError("no luck")
        return run_dataset_item(item)

    with monkeypatch.context() as patched:
        patched.setattr("flows.sos_dataset.run_dataset_item", fails)
        code, outcome, err = generated()
    assert code == 1
    assert f"1 of 4 not ok: {KEYS[2]}: failed, no luck" in err
    run = stored(outcome["path"])
    assert run.manifest().status == "partial"
    assert f"{KEYS[2]}: failed, no luck" in markdown_report(run)
    assert generated()[0] == 0
    assert len(calls(outcome["path"])) == 5
    assert stored(outcome["path"]).read("polynomials").num_rows == 80


@pytest.mark.ray
@pytest.mark.slow
def test_ray_and_serial_give_the_same_bytes(generated, local_ray, tmp_path):
    _, serial, _ = generated()
    _, ray, _ = generated("--address", "local", "--out", str(tmp_path / "ray"))
    assert science_bytes(ray["path"]) == science_bytes(serial["path"])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ('grid=["6-10-30"]', "write it like n6-d10-m30"),
        ('families=["dence"]', "families"),
        ("rows=0", "rows: 0 is not allowed"),
        ("mode=full", "mode: 'full' is not allowed"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(setting, message, capsys, tmp_path):
    code = main([*RUN, *SMALL, "--set", setting, "--out", str(tmp_path)])
    [line] = capsys.readouterr().err.splitlines()
    assert code == 2
    assert message in line


def test_the_flow_itself_describes_a_failure_in_its_state(prefect_api, tmp_path):
    config = DatasetConfig(families=("outside_cone",), grid=("n2-d4-m5",))
    state = sos_dataset(config, store=str(tmp_path), ray_address="serial", return_state=True)
    assert state.is_failed()
    assert "n is 3 to 256" in state.message


@pytest.mark.parametrize("recipe", ["tables", "cancellation", "negatives"])
def test_smoke_twins_draw_their_figure(prefect_api, recipe, tmp_path):
    arguments = [*RUN, "--recipe", f"dataset-{recipe}", "--smoke", "--out", str(tmp_path)]
    assert main(arguments) == 0
    [picture] = tmp_path.rglob("figures/cards.png")
    assert picture.stat().st_size > 10_000
