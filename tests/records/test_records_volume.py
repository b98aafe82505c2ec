import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from appending import append_execution
from commands import run_python
from pyarrow import fs

from tasks.records import RunIdentity, Store, StoreError
from tasks.records import volume as volume_module
from tasks.records.volume import Volume

FAILURES = [
    (errno.ENOSPC, "No space left on device", "free space"),
    (errno.EDQUOT, "Disk quota exceeded", "free space"),
    (errno.EROFS, "Read-only file system", "choose another store"),
    (errno.EACCES, "Permission denied", "make it writable"),
    (errno.EIO, "Input/output error", "mend this"),
]


def _files(folder) -> list[str]:
    return sorted(path.name for path in Path(folder).rglob("*") if path.is_file())


def _refuse(monkeypatch, number: int) -> None:
    def fsync(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(volume_module.os, "fsync", fsync)


@pytest.mark.parametrize(("number", "text", "remedy"), FAILURES)
def test_a_failed_write_says_why_and_loses_nothing(
    full_run, rows, monkeypatch, number, text, remedy
):
    before = _files(full_run.path)
    _refuse(monkeypatch, number)
    with pytest.raises(StoreError) as caught:
        full_run.write_part("histogram", "6_bat", rows("other"))
    assert f"{text} while writing histogram-6_bat.arrow; finished parts are kept, " in str(
        caught.value
    )
    assert remedy in str(caught.value)
    assert full_run.path in str(caught.value)
    monkeypatch.undo()
    assert _files(full_run.path) == before
    assert full_run.pending(full_run.planned) == []


def test_a_failed_execution_append_leaves_no_file(run, execution, monkeypatch):
    _refuse(monkeypatch, errno.ENOSPC)
    with pytest.raises(StoreError, match="No space left"):
        append_execution(run, execution("6_bat"))
    assert _files(run.path) == ["run.json"]


def test_an_interrupt_while_writing_leaves_no_temporary_file(run, rows, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(volume_module.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run.write_part("histogram", "6_bat", rows("a"))
    assert _files(run.path) == ["run.json"]


def test_a_real_limit_on_file_size_is_reported_and_leaves_no_partial_file(run, rows):
    table = rows(*("<1v1<3>>" for _ in range(2000)))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(StoreError, match=r"File too large while writing histogram-6_bat"):
            run.write_part("histogram", "6_bat", table)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert _files(run.path) == ["run.json"]


def test_a_write_killed_before_its_sidecar_is_pending_and_done_again(run, rows, monkeypatch):
    original = Volume.write

    def write(self, path, data):
        if path.endswith(".json"):
            raise KeyboardInterrupt
        original(self, path, data)

    monkeypatch.setattr(Volume, "write", write)
    with pytest.raises(KeyboardInterrupt):
        run.write_part("histogram", "6_bat", rows("a"))
    monkeypatch.undo()
    assert run.pending(["6_bat"], ["histogram"]) == ["6_bat"]
    run.write_part("histogram", "6_bat", rows("a"))
    assert run.pending(["6_bat"], ["histogram"]) == []


def test_a_store_that_is_a_file_is_refused_in_one_line(tmp_path, identity):
    root = tmp_path / "file"
    root.write_text("x")
    for action in (Store.open(root).runs, lambda: Store.open(root).open_run(identity, ["a"])):
        with pytest.raises(StoreError, match="is a file, not a folder; choose another store"):
            action()


def test_a_store_below_a_file_is_refused_in_one_line(tmp_path, identity):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="Not a directory while testing"):
        Store.open(tmp_path / "file" / "store").open_run(identity, ["a"])


def test_an_unwritable_store_is_refused_when_a_run_is_opened(store, identity, monkeypatch):
    _refuse(monkeypatch, errno.EROFS)
    with pytest.raises(StoreError, match="Read-only file system while testing") as caught:
        store.open_run(identity, ["a"])
    assert "choose another store" in str(caught.value)
    assert "finished parts" not in str(caught.value)


def test_a_run_json_that_cannot_be_written_promises_no_finished_parts(store, identity, monkeypatch):
    monkeypatch.setattr(Volume, "probe", lambda self, folder: None)
    _refuse(monkeypatch, errno.ENOSPC)
    with pytest.raises(StoreError, match=r"No space left .* while writing run\.json; free space$"):
        store.open_run(identity, ["a"])


def test_a_read_only_store_can_still_be_read(store, full_run, monkeypatch):
    _refuse(monkeypatch, errno.EROFS)
    assert store.find_run("latest").read("histogram").num_rows == 6


@pytest.mark.parametrize("uri", ["nonsense://x/y", "file://a b", "://"])
def test_a_uri_that_is_not_understood_is_refused_in_one_line(uri):
    with pytest.raises(StoreError, match="cannot be opened") as caught:
        Store.open(uri)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("slashes", ["", "//"])
def test_a_file_uri_is_a_local_store(tmp_path, slashes):
    store = Store.open(f"file:{slashes}{tmp_path}/results")
    assert store.volume.local
    assert store.root == f"{tmp_path}/results"


def test_a_store_without_rename_works_the_same(tmp_path, rows, execution, full_run):
    # A local disk behind the code path of object stores: streams only, no rename, no mapping.
    tmp_path.joinpath("bucket").mkdir()
    disk = fs.SubTreeFileSystem(str(tmp_path / "bucket"), fs.LocalFileSystem())
    store = Store(Volume("demo://bucket", disk, local=False))
    run = store.open_run(full_run.identity, full_run.tables, full_run.planned, citations=("FIC",))
    for item in run.planned:
        run.write_parts(item, {"histogram": rows(f"<{item}>", "<1>"), "summary": rows(item)})
        for _ in range(2):
            append_execution(run, execution(item))
    assert run.path == f"demo://bucket/tcurve-census/{run.run_id}"
    assert run.finish() == full_run.finish()
    assert run.read("histogram").equals(full_run.read("histogram"))
    assert run.read("execution").num_rows == 6
    assert store.find_run("latest").run_id == run.run_id


def test_a_file_system_in_memory_serves_as_a_store(identity, rows):
    filesystem, path = fs.FileSystem.from_uri("mock:///bucket")
    store = Store(Volume("mock:///bucket", fs.SubTreeFileSystem(path, filesystem), local=False))
    run = store.open_run(identity, ["histogram"], ["a"])
    run.write_part("histogram", "a", rows("x"))
    assert not store.volume.local
    assert run.finish().status == "complete"


def test_finishing_removes_the_temporary_files_of_dead_writers_only(full_run):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    folder = Path(full_run.path, "histogram")
    host = volume_module._HOST
    names = {
        "dead": f".{host}+{dead.pid}+00+0.tmp",
        "reused": f".{host}+{os.getpid()}+00+0.tmp",
        "old": ".elsewhere+1+00+0.tmp",
        "alive": f".{host}+{os.getppid()}+00+0.tmp",
        "mine": volume_module._temporary_name(),
        "recent": ".elsewhere+1+00+1.tmp",
    }
    for name in names.values():
        (folder / name).write_bytes(b"x")
    os.utime(folder / names["old"], (0, 0))
    full_run.finish()
    left = {key for key, name in names.items() if (folder / name).exists()}
    assert left == {"alive", "mine", "recent"}


def test_temporary_files_are_never_read(full_run):
    Path(full_run.path, "histogram", ".x+1+00+0.tmp").write_bytes(b"half a part")
    assert full_run.check().faults == ()


KILLED = """
import os, sys
import pyarrow as pa
from tasks.records import RunIdentity, Store, column, science_schema
from tasks.records.rows import rows_table
identity = RunIdentity("demo", "{}", (), code_version="v")
schema = science_schema(column("x", pa.int64(), "number"))
run = Store.open(sys.argv[1]).open_run(identity, ["numbers"], list("abc"))
for item in run.pending(run.planned):
    if item == sys.argv[2]:
        os.fsync = lambda _: os._exit(9)
    run.write_part("numbers", item, rows_table(schema, [{"x": ord(item)}], identity))
run.finish()
"""


def test_a_killed_process_resumes_to_the_same_bytes(tmp_path):
    for name, killed_at, code in (("killed", "b", 9), ("killed", "none", 0), ("quiet", "none", 0)):
        run_python("-c", KILLED, str(tmp_path / name), killed_at, code=code)
    identity = RunIdentity("demo", "{}", (), code_version="v")
    killed, quiet = (
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()}
        for name in ("killed", "quiet")
    )
    assert killed == quiet
    assert Store.open(tmp_path / "killed").find_run(identity.run_id).planned == ("a", "b", "c")
