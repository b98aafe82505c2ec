"""What lies in a run's folder without being planned, and what a handle remembers."""

import os
import shutil
import time
from pathlib import Path

import pytest

from tasks.records import CorruptPartError
from tasks.records import check as check_module
from tasks.records import parts as parts_module

PART = "histogram/histogram-7_fra"


def _copy(run, name: str) -> None:
    for suffix in (".arrow", ".json"):
        shutil.copy(f"{run.path}/{PART}{suffix}", f"{run.path}/histogram/{name}{suffix}")


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.fixture
def hashed(monkeypatch) -> list[str]:
    """Parts whose bytes are hashed; every verdict is remembered at once."""
    calls: list[str] = []
    part_ref = parts_module.part_ref

    def counting(name, **arguments):
        calls.append(name.path)
        return part_ref(name, **arguments)

    monkeypatch.setattr(parts_module, "part_ref", counting)
    monkeypatch.setattr(check_module, "_SETTLED_NS", -(10**12))
    return calls


def test_a_copy_beside_the_planned_parts_is_named_once_and_blocks_nothing(
    store, full_run, caplog, rows
):
    _copy(full_run, "histogram-7_fra.bak")
    full_run.write_part("histogram", "extra", rows("<extra>"))
    before = sorted(Path(full_run.path, "histogram").iterdir())
    for run in (full_run, store.find_run(full_run.run_id)):
        caplog.clear()
        assert run.read("histogram").num_rows == 6
        assert run.check().faults == ()
        assert run.check().done == set(run.planned)
        assert run.pending(run.planned) == []
        assert run.count_rows() == 9
        assert run.finish(status="complete").rows == 9
        (record,) = caplog.records
        assert record.levelname == "WARNING"
        assert "histogram/histogram-7_fra.bak.arrow" in record.getMessage()
        assert "histogram/histogram-extra.arrow" in record.getMessage()
    assert sorted(Path(full_run.path, "histogram").iterdir()) == before


def test_an_item_that_is_asked_for_counts_as_planned(full_run, rows):
    full_run.write_parts("extra", {"histogram": rows("x"), "summary": rows("x")})
    assert full_run.pending(["extra", "6_bat"]) == []
    assert len(full_run.finish(["extra"]).tables["histogram"].parts) == 4


def test_a_table_with_keys_of_its_own_is_read_whole(store, identity, rows, caplog):
    run = store.open_run(identity, ["shards", "summary"], ["7_fra.0", "7_fra.1"])
    for item in run.planned:
        run.write_part("shards", item, rows(item))
    run.write_part("summary", "7_fra", rows("<1>"))
    assert run.read("summary").num_rows == 1
    assert run.check(["summary"]).done == {"7_fra"}
    assert run.finish(tables=["shards"]).rows == 3
    assert caplog.records == []


def test_without_a_plan_every_part_is_read_and_a_copy_is_a_fault(store, identity, rows):
    run = store.open_run(identity, ["histogram"])
    run.write_part("histogram", "7_fra", rows("a"))
    run.write_part("histogram", "later", rows("b"))
    assert run.read("histogram").num_rows == 2
    _copy(run, "histogram-7_fra.bak")
    (fault,) = run.check().faults
    assert fault.path == "histogram/histogram-7_fra.bak.arrow"
    assert f"its sidecar is that of {run.run_id}/histogram/7_fra" in fault.reason
    with pytest.raises(CorruptPartError, match=r"7_fra\.bak\.arrow: its sidecar is that of"):
        run.read("histogram")


def test_a_fault_is_logged_once_per_handle_and_again_when_it_comes_back(store, full_run, caplog):
    file = Path(f"{full_run.path}/{PART}.arrow")
    good = file.read_bytes()
    _flip(file)
    for _ in range(2):
        assert full_run.pending(full_run.planned) == ["7_fra"]
        full_run.read("histogram", on_corrupt="skip")
        full_run.finish()
    assert caplog.text.count("sha256 differs") == 1
    store.find_run(full_run.run_id).pending(full_run.planned)
    assert caplog.text.count("sha256 differs") == 2
    table = store.find_run(full_run.run_id).read_part("summary", "7_fra")
    full_run.write_part("histogram", "7_fra", table)
    assert full_run.pending(full_run.planned) == []
    _flip(file)
    full_run.pending(full_run.planned)
    assert caplog.text.count("sha256 differs") == 3
    assert file.read_bytes() != good


def test_what_did_not_change_is_hashed_once(full_run, hashed):
    for _ in range(3):
        full_run.check()
        full_run.pending(full_run.planned)
        assert full_run.read("histogram").num_rows == 6
        full_run.read_part("summary", "6_bat")
        full_run.finish()
    assert len(hashed) == len(set(hashed)) == 6


def test_a_damaged_part_is_hashed_once_too(full_run, hashed):
    _flip(Path(f"{full_run.path}/{PART}.arrow"))
    for _ in range(3):
        assert full_run.pending(full_run.planned) == ["7_fra"]
    assert len(hashed) == 6


@pytest.mark.parametrize("suffix", [".arrow", ".json"])
def test_a_changed_file_is_verified_again_even_if_its_time_is_put_back(
    full_run, hashed, suffix, tmp_path
):
    assert full_run.pending(full_run.planned) == []
    file = Path(f"{full_run.path}/{PART}{suffix}")
    stat = file.stat()
    while _file_system_clock(tmp_path) <= stat.st_ctime_ns:
        time.sleep(0.01)
    _flip(file)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert full_run.pending(full_run.planned) == ["7_fra"]


def _file_system_clock(folder: Path) -> int:
    """What time it is for the file system, whose clock ticks slowly."""
    (folder / "tick").touch()
    return (folder / "tick").stat().st_ctime_ns


def test_a_verdict_about_a_file_that_changed_just_now_is_not_remembered(full_run, monkeypatch):
    calls = []
    monkeypatch.setattr(check_module, "_SETTLED_NS", 10**12)  # "just now" lasts for the test
    part_ref = parts_module.part_ref
    monkeypatch.setattr(
        parts_module, "part_ref", lambda n, **a: calls.append(n) or part_ref(n, **a)
    )
    full_run.check()
    full_run.check()
    assert len(calls) == 12


def test_a_store_without_stamps_is_verified_each_time(tmp_path, full_run, hashed, monkeypatch):
    monkeypatch.setattr(type(full_run.volume), "stamp", lambda self, path: None)
    full_run.check()
    full_run.check()
    assert len(hashed) == 12
