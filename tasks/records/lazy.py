"""References to objects, and packages that import what they export when it is asked for.

A package lists its exports as imports below ``if TYPE_CHECKING:``, where type checkers, editors and
`tasks.records.version` find them, and sets ``__getattr__ = lazy_exports(__name__, __file__)``.
"""

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["Reference", "exports_of", "lazy_exports", "load"]

Reference = str
"""``package.module:object``."""


def load(reference: Reference) -> Any:
    """The object that a reference names; imports its module."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def lazy_exports(package: str, file: str) -> Callable[[str], Any]:
    """A ``__getattr__`` that resolves the exports listed in the package's source.

    An export that has the name of its module stays the export, also once the module is imported.
    """
    sources = exports_of(ast.parse(Path(file).read_bytes()))
    hidden = {name for name, module in sources.items() if module == f"{package}.{name}"}

    class Package(ModuleType):
        def __setattr__(self, name: str, value: Any) -> None:
            if name in hidden and isinstance(value, ModuleType):
                value = getattr(value, name)
            super().__setattr__(name, value)

    def resolve(name: str) -> Any:
        if name not in sources:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(sources[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    if hidden:
        sys.modules[package].__class__ = Package
    return resolve


def exports_of(tree: ast.Module) -> dict[str, str]:
    """Name -> module, of the imports below ``if TYPE_CHECKING:`` on the top level."""
    found: dict[str, str] = {}
    for node in tree.body:
        if is_type_checking(node):
            for entry in node.body:  # pyrefly: ignore[missing-attribute] - it is an If
                if isinstance(entry, ast.ImportFrom) and entry.module:
                    found |= {alias.name: entry.module for alias in entry.names}
    return found


def is_type_checking(node: ast.AST) -> bool:
    """Whether a statement is ``if TYPE_CHECKING:``."""
    is_if = isinstance(node, ast.If) and isinstance(node.test, ast.Name)
    return is_if and node.test.id == "TYPE_CHECKING"  # pyrefly: ignore[missing-attribute]
