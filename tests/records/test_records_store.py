import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.records import InputError, RunIdentity, Store, StoreError


def _identity(flow: str = "demo", **changes) -> RunIdentity:
    values = {"config": "{}", "inputs": (), "code_version": "v", "seed": 0, **changes}
    return RunIdentity(flow, **values)


def _touch(run, hour: int) -> None:
    """Set all times of a run's files, so that the order of runs is known."""
    moment = datetime(2026, 1, 1, hour, tzinfo=UTC).timestamp()
    for path in [*Path(run.path).rglob("*"), Path(run.path)]:
        os.utime(path, (moment, moment))


def test_the_run_id_equals_the_recorded_one(identity):
    # Recorded once: a change here orphans every stored run.
    assert identity.run_id == "7e20ab4de2ffd6be"


def test_the_run_id_ignores_the_order_of_inputs_and_of_config_keys():
    one = _identity(inputs=(("a", "1"), ("b", "2")), config='{"x":1,"y":2}')
    other = _identity(inputs=(("b", "2"), ("a", "1")), config='{"y": 2, "x": 1}')
    assert one == other
    assert one.run_id == other.run_id


@pytest.mark.parametrize(
    "change",
    [
        {"flow": "other"},
        {"config": '{"x":1}'},
        {"inputs": (("a", "1"),)},
        {"code_version": "w"},
        {"seed": 1},
    ],
)
def test_the_run_id_tells_everything_that_determines_the_science(change):
    assert _identity(**change).run_id != _identity().run_id


@pytest.mark.parametrize("change", [{"flow": "../x"}, {"flow": ""}])
def test_a_flow_that_is_no_folder_name_is_refused(change):
    with pytest.raises(InputError, match="cannot name a flow"):
        _identity(**change)


@pytest.mark.parametrize("config", ["", "[1]", "{", '{"x": NaN}', None])
def test_a_config_that_is_no_json_object_is_refused(config):
    with pytest.raises(InputError, match="text of a JSON object"):
        _identity(config=config)


def test_the_root_is_taken_from_the_environment_else_results(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LATTICEWORK_STORE", raising=False)
    assert Store.open().root == str(tmp_path / "results")
    monkeypatch.setenv("LATTICEWORK_STORE", str(tmp_path / "elsewhere"))
    assert Store.open().root == str(tmp_path / "elsewhere")
    assert list(tmp_path.iterdir()) == []


def test_run_json_describes_the_run(run, identity):
    record = json.loads(Path(run.path, "run.json").read_text())
    assert record["run_id"] == identity.run_id
    assert record["config"] == {"memory_gib": 4.0}
    assert record["planned"] == ["6_moth", "6_bat", "7_fra"]
    assert "2604.09221" in record["citations"][0]


def test_opening_a_run_again_changes_nothing(store, run, identity):
    before = Path(run.path, "run.json").stat().st_mtime_ns
    again = store.open_run(identity, run.tables, run.planned, citations=("FIC",))
    assert again == run
    assert Path(run.path, "run.json").stat().st_mtime_ns == before
    assert [path.name for path in Path(run.path).iterdir()] == ["run.json"]


def test_opening_a_run_mends_a_damaged_run_json(store, run, identity):
    Path(run.path, "run.json").write_bytes(b"\x00")
    store.open_run(identity, run.tables, run.planned, citations=("FIC",))
    assert store.find_run(run.run_id).record == run.record


@pytest.mark.parametrize(
    ("tables", "planned", "reason"),
    [
        (["a/b"], [], "'a/b' cannot name a table"),
        ([], [], "at least one science table"),
        (["execution"], [], "at least one science table"),
        (["a", "a"], [], "table 'a' is named more than once"),
        (["a"], ["x", "x"], "item 'x' is named more than once"),
        (["a"], [""], "item key"),
    ],
)
def test_bad_tables_and_items_are_refused(store, identity, tables, planned, reason):
    with pytest.raises(InputError, match=reason):
        store.open_run(identity, tables, planned)


def test_runs_are_listed_newest_first_with_status_and_rows(store, rows, full_run):
    full_run.finish()
    begun = store.open_run(_identity(), ["histogram"], ["a", "b"])
    begun.write_part("histogram", "a", rows("x", "y"))
    _touch(full_run, 1)
    _touch(begun, 2)
    listed = [(i.flow, i.run_id, i.status, i.rows, i.modified.hour) for i in store.runs()]
    assert listed == [
        ("demo", begun.run_id, "unfinished", 2, 2),
        ("tcurve-census", full_run.run_id, "complete", 9, 1),
    ]


def test_a_store_that_does_not_exist_has_no_runs(store):
    assert store.runs() == []
    with pytest.raises(InputError, match="holds no runs"):
        store.find_run("latest")


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\xff\x00", b"[]", b"{}", b'{"schema_version": 1}', b"[" * 10**5, b'{"run_id": "\\ud8'],
)
def test_a_damaged_run_is_listed_and_its_file_named(store, full_run, caplog, garbage):
    folder = Path(store.root, "demo", "0123456789abcdef")
    folder.mkdir(parents=True)
    (folder / "run.json").write_bytes(garbage)
    listed = {info.run_id: (info.flow, info.path, info.status, info.rows) for info in store.runs()}
    assert listed.keys() == {full_run.run_id, "0123456789abcdef"}
    assert listed["0123456789abcdef"] == ("demo", str(folder), "damaged", 0)
    assert f"damaged run: {folder}/run.json: " in caplog.text
    for ref in (str(folder), "0123", "demo/0123456789abcdef"):
        with pytest.raises(StoreError, match=f"{folder}/run.json: ") as caught:
            store.find_run(ref)
        assert "\n" not in str(caught.value)


def test_the_latest_run_is_one_that_can_be_read_if_there_is_any(store, full_run):
    folder = Path(store.root, "demo", "0123456789abcdef")
    folder.mkdir(parents=True)
    (folder / "run.json").write_bytes(b"{")
    _touch(full_run, 1)
    assert store.runs()[0].status == "damaged"
    assert store.find_run("latest").run_id == full_run.run_id
    Path(full_run.path, "run.json").write_bytes(b"")
    with pytest.raises(StoreError, match=r"/run\.json: Invalid JSON"):
        store.find_run("latest")


def test_a_run_under_a_false_name_or_with_altered_config_is_damaged(store, run, caplog):
    Path(run.path).rename(Path(run.path).with_name("0" * 16))
    assert [(info.run_id, info.status) for info in store.runs()] == [("0" * 16, "damaged")]
    with pytest.raises(StoreError, match=r"0000/run\.json: belongs to tcurve-census/7e20"):
        store.find_run("0000")
    moved = Path(store.root, "tcurve-census", "0" * 16)
    text = (moved / "run.json").read_text().replace("4.0", "5.0")
    moved.rename(run.path)
    Path(run.path, "run.json").write_text(text)
    assert [(info.run_id, info.status) for info in store.runs()] == [(run.run_id, "damaged")]
    with pytest.raises(StoreError, match=r"run\.json: describes run"):
        store.find_run(run.run_id)
    assert caplog.text.count("damaged run: ") == 4


@pytest.mark.parametrize("keep", [0, 1, 200])
def test_a_truncated_manifest_makes_the_run_unfinished_and_its_tables_stay(
    store, full_run, caplog, keep
):
    full_run.finish()
    file = Path(full_run.path, "manifest.json")
    file.write_bytes(file.read_bytes()[:keep])
    assert [(info.status, info.rows) for info in store.runs()] == [("unfinished", 9)]
    assert f"{file}: " in caplog.text
    found = store.find_run(full_run.run_id)
    assert found.read("histogram").num_rows == 6
    assert found.finish().status == "complete"
    assert [info.status for info in store.runs()] == ["complete"]


def test_a_run_whose_tables_cannot_be_listed_does_not_hide_the_others(store, run, monkeypatch):
    def refuse(self):
        raise StoreError("store x: Permission denied while listing histogram")

    monkeypatch.setattr(type(run), "count_rows", refuse)
    assert [(info.status, info.rows) for info in store.runs()] == [("unfinished", 0)]


def test_a_name_that_is_no_text_is_reported_in_one_line(store, run):
    Path(os.fsdecode(os.fsencode(store.root) + b"/\xff")).mkdir()
    with pytest.raises(StoreError, match="while listing its runs") as caught:
        store.runs()
    assert "\n" not in str(caught.value)


def test_files_and_folders_that_are_no_runs_are_ignored(store, run):
    Path(store.root, "notes.txt").write_text("x")
    Path(store.root, "tcurve-census", "notes.txt").write_text("x")
    Path(store.root, "empty", "deeper").mkdir(parents=True)
    Path(store.root, "odd", "run", "run.json").mkdir(parents=True)
    assert [info.run_id for info in store.runs()] == [run.run_id]


def test_a_run_is_found_by_id_prefix_flow_path_and_latest(store, run, monkeypatch):
    other = store.open_run(_identity(), ["a"])
    _touch(run, 2)
    _touch(other, 1)
    monkeypatch.chdir(Path(store.root).parent)
    for ref in (
        run.run_id,
        run.run_id[:6],
        f"tcurve-census/{run.run_id}",
        f"tcurve-census/{run.run_id[:3]}",
        run.path,
        f"results/tcurve-census/{run.run_id}",
        f"file://{run.path}/",
        "latest",
    ):
        assert store.find_run(ref).record == run.record, ref


def test_a_run_of_another_store_is_found_by_its_path(tmp_path, run):
    assert Store.open(tmp_path / "other").find_run(run.path).record == run.record


@pytest.mark.parametrize("ref", ["zzzz", "", "/", "demo/", "no/such/folder", "../.."])
def test_an_unknown_reference_is_answered_with_what_exists(store, run, ref):
    with pytest.raises(InputError, match=f"names no run .* tcurve-census/{run.run_id}"):
        store.find_run(ref)


def test_an_ambiguous_prefix_is_answered_with_its_runs(store):
    runs = [store.open_run(_identity(seed=seed), ["a"]) for seed in range(17)]
    first = [run.run_id[0] for run in runs]
    double = next(digit for digit in first if first.count(digit) > 1)
    with pytest.raises(InputError, match="names more than one run"):
        store.find_run(double)


def test_a_found_run_continues_where_the_opened_one_stopped(store, full_run, rows):
    found = store.find_run(full_run.run_id)
    assert found.identity == full_run.identity
    assert found.pending(found.planned) == []
    assert found.read("histogram").equals(full_run.read("histogram"))
