import re

import pytest
from commands import run_python

from tasks.records import CITATIONS, RELEASE, InputError, cite, code_version


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Importable package with one module and one data file."""
    folder = tmp_path / "planted_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "table.json").write_text("[1]")
    (folder / "model.safetensors").write_bytes(b"1")
    monkeypatch.syspath_prepend(str(tmp_path))
    code_version.cache_clear()
    yield folder
    code_version.cache_clear()


def _fresh(*packages: str) -> str:
    code_version.cache_clear()
    return code_version(*packages)


def test_code_version_is_release_and_ten_digits():
    assert re.fullmatch(re.escape(RELEASE) + r"\+[0-9a-f]{10}", code_version("tasks.records"))


@pytest.mark.parametrize(
    ("name", "content"),
    [("table.json", "[2]"), ("new.py", ""), ("__init__.py", "x = 1"), ("model.safetensors", "2")],
)
def test_code_version_changes_with_any_source_or_data_file(package, name, content):
    before = _fresh("planted_package")
    (package / name).write_text(content)
    assert _fresh("planted_package") != before


def test_code_version_ignores_other_files(package):
    before = _fresh("planted_package")
    (package / "cache.nbi").write_text("x")
    assert _fresh("planted_package") == before


def test_code_version_tells_a_moved_boundary_between_files(package):
    (package / "a.py").write_text("xy")
    before = _fresh("planted_package")
    (package / "a.py").write_text("x")
    (package / "table.json").write_text("y[1]")
    assert _fresh("planted_package") != before


def test_code_version_ignores_the_order_of_packages():
    assert code_version("tasks", "tasks.records") == code_version("tasks.records", "tasks")


@pytest.mark.parametrize("name", ["no_such_package", "no.such.package", "json.decoder"])
def test_code_version_of_what_is_no_package_is_refused(name):
    with pytest.raises(InputError, match="no importable package"):
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


def test_an_unknown_citation_is_answered_with_the_known_ones():
    with pytest.raises(InputError, match="known are FIC, LCP"):
        cite("Euler")


def test_importing_records_loads_no_scheduler_and_no_torch():
    code = (
        "import sys, tasks.records; "
        "print([m for m in ('ray', 'prefect', 'torch', 'pandas', 'scipy') if m in sys.modules])"
    )
    assert run_python("-c", code).stdout.strip() == "[]"
