"""Code of one's own: found, hashed, carried elsewhere, imported again when it changes."""

import os
import pickle
import subprocess
import sys

import pytest

from tasks.records import InputError
from tasks.records.own_code import (
    check_content,
    find_code,
    is_reference,
    resolve,
)
from tasks.records.trust import TRUSTED_VARIABLE, check_trusted


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a module that imports a neighbor inside a function, and a package."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", str(tmp_path))])
    (tmp_path / "lwown_nets.py").write_text(
        "import json\ndef build():\n    from lwown_layers import size\n    return size\n"
    )
    (tmp_path / "lwown_layers.py").write_text("size = 3\n")
    (tmp_path / "unrelated.py").write_text("raise SystemExit\n")
    package = tmp_path / "lwown_package"
    package.mkdir()
    (package / "__init__.py").write_text("from .inner import Thing\n")
    (package / "inner.py").write_text("class Thing:\n    size = 4\n")
    (package / "other.py").write_text("broken (\n")
    yield tmp_path
    for name in list(sys.modules):
        if name.startswith("lwown"):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nets:build", True),
        ("package.nets:build", True),
        ("nets.py:build", True),
        ("/home/me/my nets/nets.py:Net", True),
        ("timm:vit_base_patch16_224.augreg_in21k", True),
        ("small-cnn", False),
        ("wrn-28-10", False),
        ("nets:", False),
        (":build", False),
        ("s3://bucket/data.npz", False),
        ("data.npz", False),
    ],
)
def test_references_are_told_from_names_and_places(text, expected):
    assert is_reference(text) is expected


def test_the_sources_are_those_that_are_imported_and_no_others(place):
    code = find_code("lwown_nets:build")
    assert sorted(code.files) == ["lwown_layers.py", "lwown_nets.py"]
    assert find_code("lwown_nets.py:build").files == code.files
    package = find_code("lwown_package:Thing")
    assert sorted(package.files) == ["lwown_package/__init__.py", "lwown_package/inner.py"]


def test_objects_are_imported_from_the_current_folder_and_from_files(place):
    assert resolve("lwown_nets:build")() == 3
    assert resolve(f"{place}/lwown_nets.py:build")() == 3
    assert resolve("lwown_package:Thing").size == 4
    assert resolve("lwown_package.inner:Thing.size") == 4


def test_changed_sources_have_another_digest_and_are_imported_again(place):
    before = find_code("lwown_nets:build")
    assert before.load()() == 3
    (place / "lwown_layers.py").write_text("size = 55\n")
    after = find_code("lwown_nets:build")
    assert after.digest != before.digest
    assert after.load()() == 55


def test_the_digest_does_not_depend_on_the_place(place, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    for name in ("lwown_nets.py", "lwown_layers.py"):
        (other / name).write_bytes((place / name).read_bytes())
    assert find_code(f"{other}/lwown_nets.py:build").digest == (
        find_code(f"{place}/lwown_nets.py:build").digest
    )


@pytest.mark.parametrize("reference", ["lwown_nets:build", "{}/lwown_nets.py:build"])
def test_code_runs_in_a_process_that_has_no_such_file(place, reference, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    packed = elsewhere / "code.pickle"
    packed.write_bytes(pickle.dumps(find_code(reference.format(place))))
    for name in ("lwown_nets.py", "lwown_layers.py"):
        (place / name).unlink()
    program = (
        "import pickle, sys; code = pickle.load(open(sys.argv[1], 'rb')); code.install(); "
        "code.install(); print(code.load()())"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-c", program, str(packed)]
    found = subprocess.run(
        command, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False
    )
    assert found.stdout == "3\n", found.stderr


def test_of_an_installed_package_the_release_counts():
    code = find_code("safetensors.torch:load")
    assert not code.files and code.release.startswith("safetensors ")
    assert callable(code.load())
    assert find_code("json:loads").release.startswith("Python 3.")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("lwown_missing:build", "cannot find module lwown_missing"),
        ("lwown_missing.py:build", "cannot find the file lwown_missing.py"),
        ("lwown_package.missing:build", "lwown_package.missing"),
        ("lwown_nets:missing", "lwown_nets has no missing"),
        ("lwown_package.other:Thing", "other.py: line 1"),
        ("lwown_failing:build", "importing lwown_failing failed: ZeroDivisionError"),
    ],
)
def test_what_cannot_be_imported_is_one_line(place, reference, message):
    (place / "lwown_failing.py").write_text("1 / 0\n")
    with pytest.raises(InputError, match=message) as caught:
        resolve(reference)
    assert "\n" not in str(caught.value)


def test_a_file_named_like_an_installed_module_is_refused(place):
    """`import json` would give another module."""
    (place / "json.py").write_text("def build(): return 1\n")
    with pytest.raises(InputError, match=r"json is the name of .*: rename the file"):
        resolve(f"{place}/json.py:build")


@pytest.mark.parametrize("reference", ["os:system", "subprocess:run", "nets.py:build"])
def test_deployments_run_trusted_modules_only(reference, monkeypatch):
    monkeypatch.setenv(TRUSTED_VARIABLE, "lwown_nets, other")
    with pytest.raises(InputError, match="is not allowed in a deployment"):
        check_trusted({"model": reference})
    monkeypatch.delenv(TRUSTED_VARIABLE)
    with pytest.raises(InputError, match=TRUSTED_VARIABLE):
        check_trusted({"model": "lwown_nets:build"})


@pytest.mark.parametrize("name", ["json", "json.loads", "loads", "os.abort", "build.__globals__"])
def test_what_a_trusted_module_imports_is_not_trusted(place, name, monkeypatch):
    """`my_nets:os.abort` ended the worker."""
    (place / "lwown_nets.py").write_text(
        "import json, os\nfrom json import loads\ndef build(): return 3\n"
    )
    monkeypatch.setenv(TRUSTED_VARIABLE, "lwown_nets")
    check_trusted({"model": "lwown_nets:build"})
    with pytest.raises(InputError, match="is not allowed in a deployment"):
        check_trusted({"model": f"lwown_nets:{name}"})
    monkeypatch.setenv(TRUSTED_VARIABLE, "lwown_nets:loads")
    check_trusted({"data": "lwown_nets:loads"})
    with pytest.raises(InputError, match="is not allowed in a deployment"):
        check_trusted({"model": "lwown_nets:build"})


def test_files_that_are_not_python_do_not_travel_and_that_shows_at_once(place):
    (place / "lwown_sizes.json").write_text("7")
    (place / "lwown_nets.py").write_text(
        "from pathlib import Path\n"
        "size = int(Path(__file__).with_name('lwown_sizes.json').read_text())\n"
    )
    with pytest.raises(InputError, match="importing lwown_nets failed: FileNotFoundError"):
        resolve("lwown_nets:size")


@pytest.mark.parametrize(
    ("name", "message"),
    [("my-net.py", "rename the file"), ("flows.py", "rename the file"), ("a.b.py", "rename the")],
)
def test_files_that_cannot_be_imported_by_their_names_are_refused(place, name, message):
    (place / name).write_text("size = 3\n")
    with pytest.raises(InputError, match=message):
        resolve(f"{name}:size")
    with pytest.raises(InputError, match=r"latticework has no module tasks\.nets"):
        resolve("tasks.nets:build")


def test_what_a_function_returns_has_to_be_the_same_again(place):
    from dataclasses import replace

    code = replace(find_code("lwown_nets:build"), content="abc")
    code.install()
    check_content("lwown_nets:build", "abc")
    with pytest.raises(InputError, match="does not return the same every time"):
        check_content("lwown_nets:build", "abd")
