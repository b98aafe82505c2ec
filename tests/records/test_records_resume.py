"""The rule of resume: every reason to do an item again, and what is taken from other runs."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from tasks.records import (
    EXECUTION_SCHEMA,
    Ledger,
    Origin,
    Run,
    RunIdentity,
    Status,
    Store,
    column,
    rows_table,
    science_schema,
)
from tasks.records.resume import with_files

SCHEMA = science_schema(column("item", pa.string(), "key"), column("reason", pa.string(), "why"))
TABLES = ("first", "second")
ORIGIN = Origin("inputs", "code", "1+code")


def identity(seed=0) -> RunIdentity:
    return RunIdentity("demo", "{}", (("seed", str(seed)),), "1+code")


@pytest.fixture
def make(tmp_path):
    """A run with an item ``x``, stored as asked for."""

    def run(*, seed=0, status=Status.OK, origin=ORIGIN, tables=TABLES, file=b""):
        opened = Store.open(tmp_path).open_run(identity(seed), TABLES, ["x"])
        if file:
            opened.volume.write("files/x", file)
            origin = with_files(origin, opened.volume, ["files/x"])
        rows = [{"item": "x", "status": status}]
        for table in tables:
            data = rows_table(SCHEMA, rows, opened.identity)
            opened.write_part(table, "x", data, origin)
        return opened

    return run


def left(run, origin=ORIGIN, **options) -> str:
    return Ledger(run, TABLES, **options).left({"x": origin}).get("x", "")


def test_what_is_stored_and_whole_is_not_left(make):
    assert left(make(file=b"1")) == ""


def test_every_reason_to_do_an_item_again_has_a_name(make, tmp_path):
    assert left(make(seed=1, tables=("first",))) == "missing"
    assert left(make(seed=2, status=Status.FAILED)) == "not ok"
    assert left(make(seed=3), Origin("others", "code")) == "made from other inputs"
    assert left(make(seed=4), Origin("inputs", "newer")) == "made by other code"
    run = make(seed=5)
    Path(run.path, "second/second-x.arrow").write_bytes(b"")
    assert left(run) == "damaged"


def test_files_belong_to_their_item(make):
    run = make(file=b"whole")
    Path(run.path, "files/x").write_bytes(b"whold")
    assert left(run) == "a file is damaged"
    assert not Path(run.path, "files/x").exists()
    assert left(run) == "a file is missing"


def test_what_is_not_ok_can_be_a_result(make):
    assert left(make(status=Status.OVER_BUDGET), is_final=True) == ""


def as_layout_1(run):
    """Rewrite what a run says of itself as the layout before origins did."""
    for path in Path(run.path).rglob("*.json"):
        content = json.loads(path.read_text()) | {"schema_version": 1}
        for new in ("status", "content", "origin"):
            content.pop(new, None)
        path.write_text(json.dumps(content, sort_keys=True, indent=2) + "\n")


def test_a_run_of_layout_1_can_be_read_and_is_never_taken_for_a_newer_one(make):
    run = make()
    before = run.read("first")
    as_layout_1(run)
    found = Store.open(Path(run.path).parents[1]).find_run(run.run_id)
    assert found.record.schema_version == 1
    assert found.read("first").equals(before)
    assert left(found) == "made from other inputs"
    assert Ledger(make(seed=2, tables=()), TABLES).take_over({"x": ORIGIN}, found) == []


def test_parts_of_layout_1_do_not_say_what_they_were_made_from(make):
    run = make(origin=Origin())
    assert left(run) == "made from other inputs"


def test_an_item_of_another_run_is_taken_over_with_its_files_as_if_made_here(make):
    source = make(seed=1, file=b"1")
    target = make(seed=2, tables=())
    assert Ledger(target, TABLES).take_over({"x": ORIGIN}, source) == ["x"]
    assert left(target) == ""
    assert target.volume.read("files/x").to_pybytes() == b"1"
    assert target.read("first")["fingerprint"].to_pylist() == [target.run_id]
    own = make(seed=3, file=b"1")
    assert target.sidecar("first", "x").content == own.sidecar("first", "x").content


@pytest.mark.parametrize(
    "source",
    [
        {"status": Status.FAILED},
        {"origin": Origin("others", "code")},
        {"origin": Origin("inputs", "older")},
        {"tables": ("first",)},
    ],
)
def test_what_is_not_equal_is_not_taken_over(make, source):
    other, target = make(seed=1, **source), make(seed=2, tables=())
    assert Ledger(target, TABLES).take_over({"x": ORIGIN}, other) == []


def test_damaged_parts_and_files_are_not_taken_over(make):
    target = make(seed=2, tables=())
    for place in ("first/first-x.arrow", "files/x"):
        source = make(seed=1, file=b"1")
        before = Path(source.path, place).read_bytes()
        Path(source.path, place).write_bytes(before[:-1])
        assert Ledger(target, TABLES).take_over({"x": ORIGIN}, source) == []
        Path(source.path, place).write_bytes(before)
        assert not target.volume.exists("first/first-x.json")


def test_what_older_code_made_is_taken_over_if_asked_and_keeps_its_version(make):
    older = Origin("inputs", "older", "0+older")
    source, target = make(seed=1, origin=older), make(seed=2, tables=())
    assert Ledger(target, TABLES).take_over({"x": ORIGIN}, source, any_code=True) == ["x"]
    assert left(target) == ""
    assert target.sidecar("first", "x").origin.code_version == "0+older"


def test_what_older_code_made_stays_so_in_a_third_run(make):
    source = make(seed=1, origin=Origin("inputs", "older", "0+older"))
    second, third = make(seed=2, tables=()), make(seed=3, tables=())
    Ledger(second, TABLES).take_over({"x": ORIGIN}, source, any_code=True)
    assert Ledger(third, TABLES).take_over({"x": ORIGIN}, second) == []
    assert Ledger(third, TABLES).take_over({"x": ORIGIN}, second, any_code=True) == ["x"]
    assert third.read("first")["code_version"].to_pylist() == ["1+code"]  # that of the source
    assert third.sidecar("first", "x").origin.code_version == "0+older"
    assert left(third) == ""


def with_execution(run):
    row = {"item": "x", "run_id": run.run_id, "attempts": 1, "seconds": 2.5}
    run.write_part("execution", "x", pa.Table.from_pylist([row], schema=EXECUTION_SCHEMA))
    return run


def test_a_kill_while_taking_over_leaves_no_part_without_execution_row(make, monkeypatch):
    source, target = with_execution(make(seed=1)), make(seed=2, tables=())
    write, killed = Run.write_part, KeyboardInterrupt()

    def dies(run, table, *rest):
        if table == "second":
            raise killed
        return write(run, table, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Run, "write_part", dies)
        Ledger(target, TABLES).take_over({"x": ORIGIN}, source)
    assert left(target) == "missing"
    assert target.read("execution")["seconds"].to_pylist() == [2.5]


def test_an_interrupted_or_damaged_execution_part_of_another_run_stops_nothing(make):
    for suffix in ("json", "arrow"):
        source, target = with_execution(make(seed=1)), make(seed=2, tables=())
        for path in Path(source.path).glob(f"execution/*.{suffix}"):
            path.write_bytes(b"") if suffix == "arrow" else path.unlink()
        assert Ledger(target, TABLES).take_over({"x": ORIGIN}, source) == ["x"]
        for path in Path(target.path).rglob("*-x.*"):
            path.unlink()
