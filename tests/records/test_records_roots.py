"""Roots that no store can have are answered in one line, never with a crash."""

import os
from pathlib import Path

import pytest
from commands import run_python
from hypothesis import given
from hypothesis import strategies as st

from tasks.records import InputError, LatticeworkError, Store, StoreError

LONG = "x" * 5000
DEEP = "/x" * 2500


def _one_line(error: Exception, most: int = 420) -> str:
    text = str(error)
    assert "\n" not in text
    assert len(text) < most
    text.encode()
    return text


@pytest.mark.parametrize(
    ("root", "message"),
    [
        ("", "is blank; give a folder or a URI"),
        (" \t", "is blank; give a folder or a URI"),
        ("~nosuch/x", "there is no such user as '~nosuch'"),
        ("a\0b", "holds a null character"),
        ("file:///a\0b", "holds a null character"),
        ("file:///a%00b", "holds a null character"),
        ("a/\ud800", "is no Unicode text"),
        ("file:///\udcff", "is no Unicode text"),
        ("mock://", "lost when the process ends"),
        ("mock:///bucket", "lost when the process ends"),
        ("s3:/bucket/folder", "write s3://bucket/folder, or ./s3:/bucket/folder"),
    ],
)
def test_a_root_that_no_store_can_have_is_refused_when_it_is_opened(root, message):
    with pytest.raises(InputError, match=message) as caught:
        Store.open(root)
    _one_line(caught.value)


@pytest.mark.parametrize("uri", ["file:///%ff", "file:x", "FILE:///x", f"nonsense://{LONG}"])
def test_a_uri_that_pyarrow_does_not_understand_is_refused_when_it_is_opened(uri):
    with pytest.raises(StoreError, match="cannot be opened: ") as caught:
        Store.open(uri)
    _one_line(caught.value)


def test_a_folder_whose_name_looks_like_a_uri_can_be_written_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Store.open("./file:/x").root == f"{tmp_path}/file:/x"
    assert Store.open("a:b").root == f"{tmp_path}/a:b"


@pytest.mark.parametrize("root", [LONG, DEEP, f"file:///{LONG}", f"file://{DEEP}"])
def test_a_root_that_is_too_long_is_one_line_wherever_it_is_noticed(root, identity):
    store = Store.open(root)
    volume = store.volume
    for action in (
        store.runs,
        lambda: store.find_run("latest"),
        lambda: store.open_run(identity, ["a"]),
        lambda: volume.exists("a"),
        lambda: volume.stamp("a"),
        lambda: volume.read("a"),
        lambda: volume.write("a", b""),
        lambda: volume.create("a", b""),
        lambda: volume.probe("a"),
        lambda: volume.clean(""),
    ):
        with pytest.raises(StoreError, match=r"File name too long") as caught:
            action()
        _one_line(caught.value)


@pytest.mark.parametrize(
    "ref", ["a\0b", "/a/b\0/c", "file:///a/%00/c", "/\ud800/b/c", "mock:///a/b/c"]
)
def test_a_reference_that_is_no_path_is_refused_in_one_line(store, run, ref):
    with pytest.raises(InputError) as caught:
        store.find_run(ref)
    _one_line(caught.value)


@pytest.mark.parametrize("ref", [LONG, f"a/b/{LONG}", "~nosuch/x/y", "s3://a/b", "  "])
def test_a_reference_to_nothing_is_answered_in_one_line(store, run, ref):
    with pytest.raises(LatticeworkError) as caught:
        store.find_run(ref)
    _one_line(caught.value)


def test_a_folder_that_is_gone_is_reported_not_raised(tmp_path):
    code = (
        "import os, sys; from tasks.records import InputError, Store\n"
        "import pyarrow.fs\n"
        "os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')\n"
        "try: Store.open('x')\n"
        "except InputError as error: print(error)"
    )
    done = run_python("-c", code, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path.cwd())})
    assert "the current folder is gone" in done.stdout


@given(st.text(st.characters(codec=None), max_size=30))
def test_any_text_is_a_root_or_refused_in_one_line(text):
    try:
        store = Store.open(text)
        store.volume.exists("run.json")
    except (InputError, StoreError) as error:
        _one_line(error)
