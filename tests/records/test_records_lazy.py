"""Packages that import what they export when it is asked for."""

import sys

import pytest

PACKAGE = """
from typing import TYPE_CHECKING

from tasks.records.lazy import lazy_exports

if TYPE_CHECKING:
    from planted_lazy.area import area, length
    from planted_lazy.other import something

__getattr__ = lazy_exports(__name__, __file__)
"""


@pytest.fixture
def planted(tmp_path, monkeypatch):
    folder = tmp_path / "planted_lazy"
    folder.mkdir()
    (folder / "__init__.py").write_text(PACKAGE)
    (folder / "area.py").write_text("def area(): return 1\ndef length(): return 2\n")
    (folder / "other.py").write_text("something = 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in [name for name in sys.modules if name.startswith("planted_lazy")]:
        del sys.modules[name]


def test_nothing_is_imported_before_it_is_asked_for(planted):
    import planted_lazy

    assert "planted_lazy.area" not in sys.modules
    assert planted_lazy.something == 3
    assert "planted_lazy.other" in sys.modules
    assert "planted_lazy.area" not in sys.modules


def test_an_export_with_the_name_of_its_module_stays_the_export(planted):
    from planted_lazy import area as after
    from planted_lazy import area as before
    from planted_lazy.area import length

    assert (before(), length(), after()) == (1, 2, 1)


def test_the_module_may_be_imported_first(planted):
    from planted_lazy import area

    assert area() == 1


def test_other_names_are_no_attributes(planted):
    import planted_lazy

    with pytest.raises(AttributeError, match="'planted_lazy' has no attribute 'nothing'"):
        _ = planted_lazy.nothing
