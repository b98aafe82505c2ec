"""Docstrings of Python's standard library, from its source files.

A document is a module: its docstring, then those of its classes and functions in their order, each
below its name and arguments.  Modules are those that `sys.stdlib_module_names` lists, in the order
of their paths.  Left out are tests, what some distributions leave out as well (IDLE, tkinter,
turtledemo, lib2to3, distutils, ensurepip), the codecs of `encodings`, whose docstrings are alike,
`pydoc_data`, which is the text ``python-docs``, and modules that are written by a build.  So the
text depends on the version of Python alone.
"""

from __future__ import annotations

import ast
import gc
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.nn.data.utf8 import read_bytes
from tasks.records import InputError

_LEFT_OUT = {
    "test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "distutils", "ensurepip",
    "encodings", "pydoc_data", "site-packages", "dist-packages", "__pycache__",
}  # fmt: skip
_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def library_documents(folder: Path | None = None) -> list[str]:
    """Docstrings by module; modules without any are passed over.

    Parameters
    ----------
    folder : Path, optional
        Of another standard library than that of this interpreter.

    Raises
    ------
    InputError
        If the folder has no sources, or if one of them is damaged.
    """
    place = folder or Path(sysconfig.get_path("stdlib"))
    paths = sorted(_sources(place))
    if not paths:
        raise InputError(f"{place} has no source files of the standard library of Python")
    with _no_garbage_collection():
        return [text for path in paths if (text := _docstrings(path, place))]


def _sources(folder: Path, *, is_inside: bool = False) -> Iterator[Path]:
    """Source files of the modules of a library, or of a package inside it."""
    for path in folder.iterdir():
        name = path.name.removesuffix(".py")
        if name in _LEFT_OUT or not (is_inside or name in sys.stdlib_module_names):
            continue
        if path.is_dir():
            yield from _sources(path, is_inside=True)
        elif path.suffix == ".py":
            yield path


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Syntax trees have no cycles; looking for some takes two thirds of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _docstrings(path: Path, place: Path) -> str:
    try:
        module = ast.parse(read_bytes(path), filename=str(path))
    except (SyntaxError, ValueError) as error:
        raise InputError(f"{path} is not Python: {error}") from error
    names = path.relative_to(place).with_suffix("").parts
    name = ".".join(names[:-1] if names[-1] == "__init__" else names)
    return "\n\n".join(_sections(module, name))


def _sections(node: _Documented, heading: str) -> Iterator[str]:
    """Docstrings of a node and of the classes and functions in it, below their headings."""
    found = ast.get_docstring(node)
    if found and found.strip():
        yield f"{heading}\n\n{found.strip()}"
    for child in node.body:
        if isinstance(child, ast.ClassDef):
            yield from _sections(child, f"class {child.name}")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _sections(child, f"{child.name}({ast.unparse(child.args)})")
