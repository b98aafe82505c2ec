"""The study `sos-dataset` end to end, through the command, on small data sets without Ray."""

import json
from pathlib import Path

import pytest

from flows.cli import main
from flows.planning import plan_run
from flows.sos_dataset import STUDY
from tasks.records import Store, Stored
from tasks.sos.sampling.datasets import DatasetConfig
from tasks.sos.sampling.reading import ShardReader
from tasks.sos.sampling.report import DatasetTally, dataset_report, dataset_rows

pytestmark = pytest.mark.flow

RUN = ["run", "sos-dataset", "--address", "serial"]
SMALL = {"families": ("dense", "vanishing"), "grid": ("n3-d4-m8",), "rows": 40, "shard_size": 20}
KEYS = [f"{family}-n3-d4-m8.00000{k}" for family in ("dense", "vanishing") for k in range(2)]


@pytest.fixture
def generated(prefect_api, tmp_path, capsys):
    """Run the study with --json into one store: what is stored."""

    def run(*arguments: str, mode: str = "compact") -> Stored:
        given = [f"{key}={json.dumps(value)}" for key, value in (SMALL | {"mode": mode}).items()]
        settings = [word for text in given for word in ("--set", text)]
        assert main([*RUN, *settings, "--out", str(tmp_path), "--json", *arguments]) == 0
        path = json.loads(capsys.readouterr().out.splitlines()[-1])["path"]
        run = Store.open(str(tmp_path)).find_run(path)
        return Stored(run, plan_run(STUDY, DatasetConfig(**SMALL, mode=mode)).schemas)

    return run


@pytest.mark.parametrize("mode", ["compact", "expanded"])
def test_every_shard_is_stored_with_its_card_and_can_be_read(generated, mode):
    stored = generated(mode=mode)
    assert stored.table("cards")["item"].to_pylist() == KEYS
    assert stored.table("polynomials").num_rows == 80
    assert ("coefficients" in stored.table("polynomials").column_names) == (mode == "expanded")
    splits = ("train", "validation", "test")
    readers = [ShardReader([stored.run.path], split=split) for split in splits]
    assert sum(reader.num_rows for reader in readers) == 80
    assert (Path(stored.run.path) / "figures/cards.png").stat().st_size > 10_000


def test_the_report_has_a_row_per_data_set_and_the_cost_of_more(generated):
    stored = generated()
    rows = dataset_rows(stored)
    assert [row["card"].num_rows for row in rows] == [40, 40]
    assert all(row["bytes"] > 0 and row["seconds"] > 0 for row in rows)
    report = dataset_report(stored)
    assert report.findings[0].startswith("80 polynomials: ")
    assert report.findings[1] == "polynomials that occur before: 0, all in the same split"
    assert [row[0] for row in report.tables[0].rows] == ["dense-n3-d4-m8", "vanishing-n3-d4-m8"]
    assert any(note.startswith("100,000,000 such polynomials: ") for note in report.notes)
    assert DatasetTally(stored).describe().startswith("80 polynomials, ")


def test_more_rows_take_over_the_shards_that_are_there(generated):
    generated()
    more = generated("--set", "rows=60")
    assert more.table("polynomials").num_rows == 120
    assert [*more.run.planned[:3]] == [f"dense-n3-d4-m8.00000{k}" for k in range(3)]
    hosts = more.run.read("execution").group_by("run_id").aggregate([([], "count_all")])
    assert sorted(hosts["count_all"].to_pylist()) == [2, 4]


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
    code = main([*RUN, "--set", setting, "--out", str(tmp_path)])
    [line] = capsys.readouterr().err.splitlines()
    assert code == 2
    assert message in line
