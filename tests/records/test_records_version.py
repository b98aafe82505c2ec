import json
import os
import re
from pathlib import Path

import pytest
from commands import run_python

from flows import find_study
from tasks.records import CITATIONS, RELEASE, InputError, cite, code_digest, code_version, version
from tasks.records.version import closure
from tasks.sos.conic.solvers import SOLVERS

RECORDED = Path(__file__).parents[1] / "recorded"


def forget():
    """What this process has seen of sources."""
    for function in (version._digest_of, version._facts, version._source):
        function.cache_clear()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write the files of an importable package: name -> text."""
    folder = tmp_path / "planted_package"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(version._Cache, "_entries", None)

    def write(**files: str) -> None:
        for name, text in ({"__init__": ""} | files).items():
            path = folder / (name.replace("__dot__", ".") if "__dot__" in name else f"{name}.py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        forget()

    forget()
    yield write
    forget()


def digest(module="planted_package.a") -> str:
    forget()
    return code_digest(module)


def test_code_version_is_release_and_ten_digits():
    assert re.fullmatch(re.escape(RELEASE) + r"\+[0-9a-f]{10}", code_version("tasks.records"))


@pytest.mark.parametrize(
    "changed",
    [
        {"a": "import planted_package.b\nx = 2"},
        {"b": "def f():\n    from planted_package import c\n    return 2"},
        {"c": "y = 2"},
        {"table__dot__json": "[2]"},
        {"model__dot__safetensors": "2"},
        {"images__dot__gz": "2"},
    ],
)
def test_code_version_changes_with_whatever_a_module_rests_on(package, changed):
    files = {
        "a": "import planted_package.b\nx = 1",
        "b": "def f():\n    from planted_package import c\n    return 1",
        "c": "y = 1",
        "table__dot__json": "[1]",
        "model__dot__safetensors": "1",
        "images__dot__gz": "1",
    }
    package(**files)
    before = digest()
    package(**files | changed)
    assert digest() != before


@pytest.mark.parametrize(
    "changed",
    [
        {"a": "x = 1  # a comment\n"},
        {"a": '"""What it is."""\n\nx = 1\n"""What x is."""\n'},
        {"a": "x = (\n    1\n)"},
        {"a": "if TYPE_CHECKING:\n    from planted_package.b import B\nx = 1"},
        {"other": "z = 3"},
        {"cache__dot__nbi": "x"},
    ],
)
def test_code_version_ignores_words_layout_and_what_is_not_used(package, changed):
    package(a="x = 1", b="class B: ...")
    before = digest()
    package(a="x = 1", b="class B: ...")
    package(**{"a": "x = 1", "b": "class B: ...", **changed})
    assert digest() == before


def test_names_lead_to_the_module_that_defines_them_not_to_all_that_a_package_exports(package):
    exports = "from planted_package.b import f\nfrom planted_package.c import g\n"
    lazy = "if TYPE_CHECKING:\n    from planted_package.c import h\n"
    package(__init__=exports + lazy, a="from planted_package import f", b="def f(): ...", c="")
    assert list(closure("planted_package.a")) == ["planted_package.a", "planted_package.b"]
    package(__init__=exports + lazy, a="from planted_package import h", b="def f(): ...", c="")
    assert list(closure("planted_package.a")) == ["planted_package.a", "planted_package.c"]
    package(__init__=exports + "N = 1", a="from planted_package import N", b="", c="")
    assert "planted_package" in closure("planted_package.a")


def test_relative_imports_and_references_are_followed(package):
    package(a="from .b import f", b="def f(): ...")
    assert "planted_package.b" in closure("planted_package.a")
    assert code_digest("planted_package.a:f") == code_digest("planted_package.a")


def test_a_package_as_a_whole_leads_to_what_is_used_of_it(package):
    lazy = "if TYPE_CHECKING:\n    from planted_package.c import h\n"
    for text in (
        "import planted_package\nx = planted_package.h",
        "import planted_package as p\nx = p.h.y",
        "def f():\n    from planted_package import sub\n    return sub.g",
        "import planted_package.sub\nx = planted_package.sub.g",
        "from planted_package import *",
    ):
        package(__init__=lazy, **{"sub/__init__": "from planted_package.c import g"}, a=text, c="")
        assert "planted_package.c" in closure("planted_package.a"), text
    package(__init__=lazy, a="import planted_package\nx = planted_package.other", c="")
    assert "planted_package.c" not in closure("planted_package.a")


def test_what_a_package_has_from_elsewhere_is_not_of_the_project(package):
    for text in (
        "from json import loads",
        "from planted_package import loads",
        "if TYPE_CHECKING:\n    from planted_package import loads",
    ):
        package(__init__=text, a="from planted_package import loads")
        assert list(closure("planted_package.a")) == ["planted_package", "planted_package.a"]


def test_what_is_not_for_type_checkers_is_followed(package):
    text = "if TYPE_CHECKING:\n    pass\nelse:\n    from planted_package.{} import x"
    package(a=text.format("b"), b="x = 1", c="x = 1")
    before = digest()
    assert "planted_package.b" in closure("planted_package.a")
    package(a=text.format("c"))
    assert digest() != before


def test_a_package_without_init_is_followed(package, tmp_path):
    (tmp_path / "planted_package/plain/inner").mkdir(parents=True)
    (tmp_path / "planted_package/plain/inner/b.py").write_text("y = 1")
    (tmp_path / "planted_space").mkdir()
    (tmp_path / "planted_space/a.py").write_text("from planted_package.plain.inner.b import y")
    (tmp_path / "planted_space/z.py").write_text("from planted_space import a")
    package()
    assert list(closure("planted_space.z")) == ["planted_space.a", "planted_space.z"]
    both = closure("planted_space.z", "planted_package")
    assert "planted_package.plain.inner.b" in both


def test_folders_beside_a_module_without_package_are_none_of_its_data(package, tmp_path):
    (tmp_path / "planted_single.py").write_text("x = 1")
    before = digest("planted_single")
    (tmp_path / "results").mkdir()
    (tmp_path / "results/manifest.json").write_text("{}")
    assert digest("planted_single") == before
    (tmp_path / "table.json").write_text("{}")
    assert digest("planted_single") != before


def test_every_solver_is_part_of_what_sums_of_squares_rest_on():
    for study in ("sos-certify", "sos-benchmark"):
        calls = [stage.call for stage in find_study(study).stages]
        reached = closure(*(call.partition(":")[0] for call in calls))
        assert {f"tasks.sos.conic.solvers.{name}" for name in SOLVERS} <= set(reached)


def test_what_was_parsed_is_kept_for_the_next_process_and_parsed_again_when_it_changes(package):
    package(a="x = 1")
    first = digest()
    version._Cache._entries = None
    assert digest() == first
    package(a="x = 22")
    version._Cache._entries = None
    assert digest() != first


def test_of_every_file_the_last_state_is_kept(package, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a:b"))
    (tmp_path / "c:d").mkdir()
    (tmp_path / "c:d" / "planted_single.py").write_text("x = 1")
    monkeypatch.syspath_prepend(str(tmp_path / "c:d"))
    for text in ("x = 1", "x = 22"):
        package(a=text)
        code_digest("planted_package.a", "planted_single")
    kept = json.loads((tmp_path / "a:b/latticework/code-2.json").read_text())
    paths = [str(tmp_path / "planted_package/a.py"), str(tmp_path / "c:d/planted_single.py")]
    assert sorted(kept) == sorted(paths)


def test_a_file_of_equal_size_and_time_is_parsed_again(package, tmp_path):
    package(a="x = 1")
    path = tmp_path / "planted_package/a.py"
    first, stamp = digest(), path.stat()
    path.write_text("x = 2")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    version._Cache._entries = None
    assert digest() != first


@pytest.mark.parametrize(
    "change",
    [
        lambda kept: [],
        lambda kept: 3,
        lambda kept: dict.fromkeys(kept, 3),
        lambda kept: {path: {"stamp": entry["stamp"]} for path, entry in kept.items()},
        *(
            lambda kept, facts=facts: {p: e | {"facts": facts} for p, e in kept.items()}
            for facts in (None, [], {}, {"tree": 1, "imports": [], "uses": [], "exports": {}})
        ),
        *(
            lambda kept, name=name, value=value: {
                path: entry | {"facts": entry["facts"] | {name: value}}
                for path, entry in kept.items()
            }
            for name in ("tree", "imports", "uses", "exports")
            for value in (None, 3, [3], [[1, 2]], ["abc"])
        ),
    ],
)
def test_what_is_malformed_in_a_cache_is_ignored(package, tmp_path, change):
    package(a="import planted_package.b", b="")
    first = digest()
    path = tmp_path / "cache/latticework/code-2.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    version._Cache._entries = None
    assert digest() == first
    path.write_text("[" * 100_000)
    version._Cache._entries = None
    assert digest() == first


def test_a_cache_that_cannot_be_read_or_written_is_no_error(package, tmp_path):
    package(a="x = 1")
    (tmp_path / "cache").write_text("a file")
    version._Cache._entries = None
    assert digest()


def test_code_version_ignores_the_order_of_modules():
    names = ("tasks.records.seeds", "tasks.records.rows")
    assert code_version(*names) == code_version(*reversed(names))


@pytest.mark.parametrize("name", ["no_such_package", "no.such.package", "tasks.records.nothing"])
def test_code_version_of_what_is_no_module_is_refused(name):
    with pytest.raises(InputError, match="is not an importable module"):
        code_version(name)


def test_citations_print_as_bibtex_with_their_arxiv_number():
    entry = CITATIONS["FIC"].bibtex()
    assert entry.startswith("@misc{FIC,\n  author = {Zoe Geiselmann and Michael Joswig")
    assert "eprint = {2604.09221}" in entry
    assert entry.count("{") == entry.count("}")


def test_every_citation_is_kept_under_its_own_key_and_names_a_source():
    for key, citation in CITATIONS.items():
        assert citation.key == key
        assert citation.arxiv or citation.venue
        assert str(citation.year) in str(citation)


def test_citations_read_as_recorded():
    """Stored runs hold these texts."""
    recorded = json.loads((RECORDED / "citations.json").read_text("utf-8"))
    known = {key: CITATIONS[key] for key in recorded}
    assert {key: [str(c), c.bibtex()] for key, c in known.items()} == recorded


def test_an_unknown_citation_is_answered_with_the_known_ones():
    with pytest.raises(InputError, match="known are FIC, LCP"):
        cite("Euler")


def test_importing_records_loads_no_scheduler_and_no_torch():
    code = (
        "import sys, tasks.records; "
        "print([m for m in ('ray', 'prefect', 'torch', 'pandas', 'scipy') if m in sys.modules])"
    )
    assert run_python("-c", code).stdout.strip() == "[]"
