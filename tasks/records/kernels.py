"""Compiled kernels: whether a study has to wait for Numba before its first call.

Numba keeps what it compiled with ``cache=True`` beside the sources (or in NUMBA_CACHE_DIR), one
index file for each function. A module that uses Numba and has no index as new as itself compiles
at first use.
"""

import os
from pathlib import Path

from tasks.records.version import closure

__all__ = ["compiles_first"]


def compiles_first(module: str) -> bool:
    """Whether a module, or one that it rests on, has kernels that were not compiled here yet."""
    paths = closure(module).values()
    return any(_has_kernels(path) and not _is_compiled(path) for path in paths)


def _has_kernels(path: Path) -> bool:
    return "cache=True" in path.read_text(encoding="utf-8")


def _is_compiled(path: Path) -> bool:
    root = os.environ.get("NUMBA_CACHE_DIR")
    folders = Path(root).rglob("*.nbi") if root else (path.parent / "__pycache__").glob("*.nbi")
    made = [index.stat().st_mtime for index in folders if index.name.startswith(f"{path.stem}.")]
    return bool(made) and max(made) >= path.stat().st_mtime
