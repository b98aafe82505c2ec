"""The chain `neural-sos` end to end: three runs, each shared with runs of its study alone."""

import json
from pathlib import Path

import pytest

from flows.cli import main
from flows.configs import recipe_config
from flows.neural_sos import CHAIN
from flows.planning import chain_links, plan_run
from tasks.nn import load_tensors
from tasks.records import Store

pytestmark = pytest.mark.flow

RUN = ["run", "neural-sos", "--recipe", "learn-bases", "--smoke", "--address", "serial"]


def runs(store: Path) -> dict[str, list[str]]:
    """Study -> places of its runs."""
    found: dict[str, list[str]] = {}
    for info in Store.open(str(store)).runs():
        found.setdefault(info.flow, []).append(info.path)
    return found


def calls(store: Path) -> int:
    """Rows of all execution tables."""
    root = Store.open(str(store))
    return sum(root.find_run(info.path).read("execution").num_rows for info in root.runs())


def test_a_chain_makes_three_runs_which_a_second_one_finds_stored(prefect_api, tmp_path, capsys):
    assert main([*RUN, "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    found = runs(tmp_path)
    assert {name: len(places) for name, places in found.items()} == {
        "sos-dataset": 1,
        "sos-train": 1,
        "sos-benchmark": 1,
    }
    assert all(f"results: {place}" in out for [place] in found.values())
    [[dataset], [train], [benchmark]] = (found[link.study.name] for link in CHAIN.links)
    digest = load_tensors(f"{train}/model.safetensors").digest
    assert Store.open(str(tmp_path)).find_run(benchmark).identity.inputs == (("scorer", digest),)
    num_shards = len(list((Path(dataset) / "polynomials").glob("*.arrow")))
    assert len(Store.open(str(tmp_path)).find_run(train).identity.inputs) == num_shards == 2
    before = calls(tmp_path)
    assert main([*RUN, "--out", str(tmp_path)]) == 0
    assert "nothing to do" not in capsys.readouterr().out
    assert (runs(tmp_path), calls(tmp_path)) == (found, before)
    config = recipe_config(CHAIN, CHAIN.default, smoke=True)
    for study, own in chain_links(CHAIN, config, str(tmp_path)):
        [place] = found[study.name]
        assert plan_run(study, own).identity.run_id == place.rsplit("/", 1)[-1]


def test_a_link_that_was_made_alone_is_not_made_again(prefect_api, tmp_path, capsys):
    config = recipe_config(CHAIN, CHAIN.default, smoke=True)
    given = [f"{key}={json.dumps(value)}" for key, value in config.dataset.model_dump().items()]
    settings = [word for text in given for word in ("--set", text)]
    alone = ["run", "sos-dataset", "--address", "serial", *settings]
    assert main([*alone, "--out", str(tmp_path)]) == 0
    [[place]] = runs(tmp_path).values()
    made = len(Store.open(str(tmp_path)).find_run(place).read("execution"))
    assert main([*RUN, "--set", "train.steps=2", "--out", str(tmp_path)]) == 0
    assert runs(tmp_path)["sos-dataset"] == [place]
    assert len(Store.open(str(tmp_path)).find_run(place).read("execution")) == made


def test_a_chain_stops_at_the_link_that_fails(prefect_api, tmp_path, capsys, monkeypatch):
    def fails(item):
        raise RuntimeError("no luck")

    monkeypatch.setattr("tasks.sos.prediction.run.train_item", fails)
    assert main([*RUN, "--out", str(tmp_path)]) == 1
    assert "sos-train: 1 of 1 not ok: scorer: failed, no luck" in capsys.readouterr().err
    assert set(runs(tmp_path)) == {"sos-dataset", "sos-train"}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("benchmark.seed=0", "benchmark.seed and dataset.seed are both 0"),
        ('train.families=["dense", "banded"]', "train.families banded: not in the data set"),
        ("train.model=autoregressive", "train.model is autoregressive"),
        ("train.shards=x.arrow", "train.shards follows from earlier links: leave it out"),
        ("benchmark.scorer=x.safetensors", "benchmark.scorer follows from earlier links"),
        ('benchmark.cells=["round-n3-d2-m5"]', "no family 'round'"),
        ("dataset.grid=6-10", "write it like n6-d10-m30"),
    ],
)
def test_what_a_link_refuses_is_refused_before_the_first_one_starts(
    tmp_path, capsys, setting, message
):
    assert main([*RUN, "--set", setting, "--out", str(tmp_path)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line
    assert not list(tmp_path.iterdir())


def test_a_chain_cannot_continue_a_run(tmp_path, capsys):
    assert main([*RUN, "--continue", "latest", "--out", str(tmp_path)]) == 2
    assert "continue the runs of its studies" in capsys.readouterr().err
