import hashlib
import json
import logging
import pickle
import threading
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from appending import append_execution
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.records import (
    CorruptPartError,
    InputError,
    Status,
    Store,
    StoreError,
    canonical_json,
)

PART = "histogram/histogram-6_bat.arrow"


def _tree(run) -> dict[str, bytes]:
    """Content of every file of a run but the execution table's."""
    files = (path for path in Path(run.path).rglob("*") if path.is_file())
    names = {str(path.relative_to(run.path)): path.read_bytes() for path in files}
    return {name: data for name, data in names.items() if not name.startswith("execution")}


def _damage(run, path: str, change) -> None:
    file = Path(run.path) / path
    file.write_bytes(change(file.read_bytes()))


def test_a_table_is_read_in_planned_order_whatever_the_order_of_writing(run, rows):
    for item in ("7_fra", "6_bat", "6_moth"):
        run.write_part("histogram", item, rows(item))
    assert run.read("histogram")["scheme"].to_pylist() == ["6_moth", "6_bat", "7_fra"]


def test_science_metadata_names_config_seed_code_and_citations(run, rows):
    run.write_part("histogram", "6_bat", rows("<1>"))
    metadata = run.read("histogram").schema.metadata
    assert metadata[b"config"] == b'{"memory_gib":4.0}'
    assert metadata[b"seed"] == b"3"
    assert metadata[b"code_version"] == b"0.1.0+0"
    assert metadata[b"run_id"].decode() == run.run_id
    assert b"2604.09221" in metadata[b"citations"]


def test_parts_do_not_repeat_inputs_that_are_long(store, identity, rows):
    inputs = tuple((f"p{k:05d}", "0" * 64) for k in range(2_000))
    long = replace(identity, inputs=inputs)
    run = store.open_run(long, ["histogram"], ["6_bat"])
    run.write_part("histogram", "6_bat", rows("<1>"))
    metadata = run.read("histogram").schema.metadata
    digest = hashlib.sha256(canonical_json(long.inputs).encode()).hexdigest()
    assert json.loads(metadata[b"inputs"]) == {"sha256": digest}
    assert metadata[b"config"] == b'{"memory_gib":4.0}'
    assert store.find_run(long.run_id).identity == long


def test_execution_metadata_names_only_flow_and_run(run, execution):
    append_execution(run, execution("6_bat"))
    assert set(run.read("execution").schema.metadata) == {b"flow", b"run_id"}


def test_the_sidecar_holds_rows_bytes_and_checksum(run, rows):
    part = run.write_part("histogram", "6_bat", rows("<1>", "<2>"))
    sidecar = json.loads((Path(run.path) / PART).with_suffix(".json").read_text())
    assert part.path == PART
    assert (sidecar["rows"], sidecar["bytes"], sidecar["sha256"]) == (2, part.bytes, part.sha256)
    assert sidecar["bytes"] == (Path(run.path) / PART).stat().st_size


def test_an_item_is_done_only_with_all_its_tables(run, rows):
    run.write_part("histogram", "6_bat", rows("<1>"))
    check = run.check()
    assert check.done == frozenset()
    assert check.missing == ("summary/summary-6_bat.arrow",)
    assert run.check(["histogram"]).done == {"6_bat"}


def test_pending_is_the_anti_join_in_planned_order(run, rows):
    run.write_parts("6_bat", {"histogram": rows("a"), "summary": rows("b")})
    run.write_part("histogram", "7_fra", rows("a"))
    assert run.pending(["7_fra", "6_bat", "6_moth"]) == ["7_fra", "6_moth"]
    assert run.pending(["7_fra", "6_bat", "6_moth"], ["histogram"]) == ["6_moth"]


def test_losing_an_execution_part_redoes_no_science(full_run, execution):
    append_execution(full_run, execution("6_moth", "6_bat", "7_fra"))
    for file in Path(full_run.path, "execution").glob("*6_bat*"):
        file.unlink()
    assert full_run.pending(full_run.planned) == []
    assert full_run.pending(full_run.planned, ["execution"]) == ["6_bat"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: b"", "has 0 bytes where its sidecar says"),
        (lambda data: data[:1], "has 1 bytes"),
        (lambda data: data[: len(data) // 2], "bytes where"),
        (lambda data: data[:-1], "bytes where"),
        (lambda data: data + b"\0", "bytes where"),
        (lambda data: bytes([data[0] ^ 1]) + data[1:], "sha256 differs from its sidecar"),
    ],
)
def test_an_altered_part_is_named_and_done_again(full_run, caplog, change, reason):
    _damage(full_run, PART, change)
    assert full_run.pending(full_run.planned) == ["6_bat"]
    assert f"{PART}: " in caplog.text
    assert reason in caplog.text
    assert "it will be done again" in caplog.text
    with pytest.raises(CorruptPartError, match=PART):
        full_run.read("histogram")


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_flipped_bit_of_a_part_is_seen(full_run, data):
    file = Path(full_run.path) / PART
    original = file.read_bytes()
    position = data.draw(st.integers(0, len(original) * 8 - 1))
    altered = bytearray(original)
    altered[position // 8] ^= 1 << position % 8
    file.write_bytes(altered)
    faults = tuple(str(fault) for fault in full_run.check().faults)
    file.write_bytes(original)
    assert faults == (f"{PART}: sha256 differs from its sidecar",)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: b"", "its sidecar is damaged"),
        (lambda data: data[:-9], "its sidecar is damaged"),
        (lambda data: b"\xff\xfe", "its sidecar is damaged"),
        (lambda data: b"[" * 10**5, "its sidecar is damaged"),
        (lambda data: b"null", "its sidecar is damaged"),
        (lambda data: data.replace(b'"rows": 2', b'"rows": 3'), "has 2 rows where"),
        (lambda data: data.replace(b'version": 2', b'version": 9'), "has layout version 9"),
        (lambda data: data.replace(b"6_bat", b"7_fra"), "its sidecar is that of"),
    ],
)
def test_an_altered_sidecar_is_as_bad_as_an_altered_part(full_run, change, reason):
    _damage(full_run, "histogram/histogram-6_bat.json", change)
    line = str(*full_run.check().faults)
    assert line.startswith(PART)
    assert reason in line
    assert "\n" not in line


def test_a_part_in_the_place_of_another_is_seen(full_run):
    folder = Path(full_run.path, "histogram")
    for suffix in (".arrow", ".json"):
        data = (folder / f"histogram-7_fra{suffix}").read_bytes()
        (folder / f"histogram-6_bat{suffix}").write_bytes(data)
    assert full_run.pending(full_run.planned) == ["6_bat"]


def test_data_without_sidecar_is_an_unfinished_write_and_not_read(full_run):
    (Path(full_run.path) / PART).with_suffix(".json").unlink()
    fault = str(*full_run.check().faults)
    assert fault == f"{PART}: has no sidecar, so its write never finished"
    assert full_run.read("histogram").num_rows == 4


def test_a_sidecar_without_data_is_a_fault(full_run):
    (Path(full_run.path) / PART).unlink()
    assert "is missing although its sidecar is there" in str(*full_run.check().faults)
    with pytest.raises(CorruptPartError):
        full_run.read("histogram")


def test_redoing_a_damaged_item_restores_the_same_bytes(full_run, rows):
    full_run.finish()
    before = _tree(full_run)
    _damage(full_run, PART, lambda data: data[:100])
    for item in full_run.pending(full_run.planned):
        full_run.write_part("histogram", item, rows(f"<{item}>", "<1>"))
    full_run.finish()
    assert _tree(full_run) == before


def test_two_executions_in_different_order_are_equal_byte_for_byte(tmp_path, rows, execution, run):
    other = Store.open(tmp_path / "other").open_run(
        run.identity, run.tables, run.planned, citations=("FIC",)
    )
    for handle, items in ((run, run.planned), (other, run.planned[::-1])):
        for item in items:
            handle.write_parts(item, {"histogram": rows(item), "summary": rows()})
            append_execution(handle, execution(item, host=handle.path))
        handle.finish()
    assert _tree(run) == _tree(other)


def test_writing_equal_rows_again_leaves_the_file_alone(run, rows):
    run.write_part("histogram", "6_bat", rows("a"))
    before = (Path(run.path) / PART).stat().st_mtime_ns
    run.write_part("histogram", "6_bat", rows("a"))
    assert (Path(run.path) / PART).stat().st_mtime_ns == before


def test_other_rows_for_the_same_work_replace_the_part_with_a_warning(run, rows, caplog):
    run.write_part("histogram", "6_bat", rows("a"))
    run.write_part("histogram", "6_bat", rows("b"))
    assert "gave other rows than before" in caplog.text
    assert run.read("histogram")["scheme"].to_pylist() == ["b"]


@pytest.mark.parametrize("status", [Status.OVER_BUDGET, Status.FAILED])
def test_a_part_that_is_not_ok_is_replaced_calmly(run, rows, caplog, status):
    caplog.set_level(logging.INFO)
    failed = rows("a").set_column(3, "status", pa.array([status.value]))
    run.write_part("histogram", "6_bat", failed)
    run.write_part("histogram", "6_bat", rows("a"))
    run.write_part("histogram", "7_fra", rows())
    run.write_part("histogram", "7_fra", rows("a"))
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO"]
    assert f"a part with status {status} is replaced" in caplog.text
    assert "a part without rows is replaced" in caplog.text


def test_execution_parts_are_only_ever_added(run, execution):
    first = append_execution(run, execution("7_fra", "6_bat"))
    second = append_execution(run, execution("6_bat"))
    assert [part.path for part in first] == [
        "execution/execution-7_fra~1.arrow",
        "execution/execution-6_bat~1.arrow",
    ]
    assert second[0].path == "execution/execution-6_bat~2.arrow"
    assert run.read("execution")["item"].to_pylist() == ["6_bat", "6_bat", "7_fra"]


def test_write_part_appends_to_the_execution_table(run, execution):
    for _ in range(2):
        run.write_part("execution", "6_bat", execution("6_bat"))
    assert run.read("execution").num_rows == 2


def test_a_bad_execution_part_is_skipped_with_a_warning_unless_asked_otherwise(
    run, execution, caplog
):
    append_execution(run, execution("6_moth", "6_bat"))
    _damage(run, "execution/execution-6_bat~1.arrow", lambda data: data[:-1])
    assert run.read("execution")["item"].to_pylist() == ["6_moth"]
    assert "execution-6_bat~1.arrow" in caplog.text
    with pytest.raises(CorruptPartError):
        run.read("execution", on_corrupt="raise")


def test_execution_rows_of_another_shape_are_refused(run, rows):
    with pytest.raises(InputError, match="have the columns item, run_id"):
        append_execution(run, rows("a"))


def test_execution_rows_without_item_are_refused(run, execution):
    with pytest.raises(InputError, match="names no item"):
        append_execution(run, execution(None))


def test_science_rows_without_leading_columns_are_refused(run):
    with pytest.raises(InputError, match="must begin with the columns fingerprint"):
        run.write_part("histogram", "6_bat", pa.table({"x": [1]}))


@pytest.mark.parametrize("method", ["check", "pending", "read", "write_part"])
def test_an_unknown_table_is_answered_with_the_known_ones(run, rows, method):
    arguments = {
        "check": (["x"],),
        "pending": ([], ["x"]),
        "read": ("x",),
        "write_part": ("x", "i", rows()),
    }
    with pytest.raises(InputError, match="its tables are execution, histogram, summary"):
        getattr(run, method)(*arguments[method])


def test_reading_a_table_without_parts_gives_the_schema_or_a_clear_error(run, rows):
    with pytest.raises(InputError, match=r"'histogram' .* holds no finished part yet"):
        run.read("histogram")
    assert run.read("histogram", schema=rows().schema).num_rows == 0
    assert run.read("execution").num_rows == 0


def test_parts_with_different_columns_are_reported_not_mixed(run, rows):
    run.write_part("histogram", "6_bat", rows("a"))
    run.write_part("histogram", "7_fra", rows("a").drop_columns(["count"]))
    with pytest.raises(StoreError, match="different columns"):
        run.read("histogram")


def test_the_manifest_counts_rows_and_checksums_per_table(full_run):
    manifest = full_run.finish()
    assert manifest.status == "complete"
    assert manifest.rows == 9
    assert manifest.tables["histogram"].rows == 6
    assert [part.item for part in manifest.tables["summary"].parts] == list(full_run.planned)
    assert full_run.manifest() == manifest


def test_an_interrupted_run_is_finished_as_partial(run, rows):
    run.write_parts("6_bat", {"histogram": rows("a"), "summary": rows("b")})
    assert run.finish().status == "partial"
    assert run.finish(["6_bat"]).status == "complete"


def test_items_of_several_stages_are_each_stored_by_one_of_them(run, rows):
    stages = [["histogram"], ["summary"]]
    run.write_part("histogram", "6_bat", rows("a"))
    assert run.finish(["6_bat", "7_fra"], stages=stages).status == "partial"
    run.write_part("summary", "7_fra", rows("b"))
    assert run.finish(["6_bat", "7_fra"], stages=stages).status == "complete"
    assert run.finish(["6_bat", "7_fra"], stages=[["histogram", "summary"]]).status == "partial"
    _damage(run, PART, lambda data: data[:-1])
    assert run.finish(["6_bat", "7_fra"], stages=stages).status == "partial"


def test_a_run_with_pending_items_cannot_be_called_complete(run, rows):
    run.write_part("histogram", "6_bat", rows("a"))
    with pytest.raises(InputError, match=r"is not complete: 3 items .* '6_moth'"):
        run.finish(status="complete")
    assert run.finish(["6_bat"], "complete", tables=["histogram"]).status == "complete"
    with pytest.raises(InputError, match="'complete' or 'partial', not 'done'"):
        run.finish(status="done")


def test_a_corrupt_part_is_left_out_of_the_manifest(full_run):
    _damage(full_run, PART, lambda data: data[:-1])
    manifest = full_run.finish()
    assert manifest.status == "partial"
    assert [part.item for part in manifest.tables["histogram"].parts] == ["6_moth", "7_fra"]


@pytest.mark.parametrize("garbage", [b"", b"\x00\xff", b"[]", b'{"rows": 1}', b"{" * 9999])
def test_a_garbage_manifest_gives_one_line(full_run, garbage):
    full_run.finish()
    _damage(full_run, "manifest.json", lambda data: garbage)
    with pytest.raises(StoreError, match=r"manifest\.json: ") as caught:
        full_run.manifest()
    assert "\n" not in str(caught.value)


def test_simultaneous_writers_of_the_same_item_leave_one_intact_part(run, rows):
    table = rows(*map(str, range(2000)))
    threads = [
        threading.Thread(target=run.write_part, args=("histogram", "6_bat", table))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert run.check(["histogram"]).done == {"6_bat"}
    assert sorted(path.name for path in Path(run.path, "histogram").iterdir()) == [
        "histogram-6_bat.arrow",
        "histogram-6_bat.json",
    ]


def test_simultaneous_appends_lose_no_execution_row(run, execution):
    threads = [
        threading.Thread(
            target=append_execution,
            args=(
                run,
                execution("6_bat", host=str(n)),
            ),
        )
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(run.read("execution")["host"].to_pylist()) == [str(n) for n in range(8)]


def test_a_run_can_be_sent_to_another_process(full_run):
    copy = pickle.loads(pickle.dumps(full_run))
    assert copy.read("histogram").equals(full_run.read("histogram"))


def test_a_read_table_outlives_the_replacement_of_its_files(full_run, rows):
    table = full_run.read("histogram")
    before = table.to_pylist()
    full_run.write_part("histogram", "6_bat", rows("x", "y", "z"))
    assert table.to_pylist() == before


def test_foreign_files_in_a_table_folder_are_ignored(full_run, caplog):
    caplog.set_level(logging.WARNING)
    folder = Path(full_run.path, "histogram")
    for name in ("README", "histogram-a b.arrow", "notes.arrow", ".tmp", "histogram-6_bat~2.arrow"):
        (folder / name).write_bytes(b"noise")
    assert full_run.check().faults == ()
    assert full_run.read("histogram").num_rows == 6
