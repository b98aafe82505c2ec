"""Compiled kernels: whether a study has to wait for Numba before its first call.

Numba keeps what it compiled with ``cache=True`` beside the sources (or in NUMBA_CACHE_DIR), one
index file for each function. A module that uses Numba and has no index as new as itself compiles
at first use. Some are imported and never used: what has no index after all calls of a study is
noted in the cache folder of the user, and is not waited for again.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from tasks.records.canonical import fingerprint
from tasks.records.version import closure

__all__ = ["compiles_first", "note_compiled"]


def compiles_first(module: str) -> bool:
    """Whether a module, or one that it rests on, has kernels that were not compiled here yet."""
    try:
        unused = _note(module).read_text(encoding="utf-8").splitlines()
    except OSError:
        unused = []
    return any(str(path) not in unused for path in _not_compiled(module))


def note_compiled(module: str) -> None:
    """Note that calls of a module are done: kernels that are not compiled now are not used."""
    path = _note(module)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(map(str, _not_compiled(module))), encoding="utf-8")
    except OSError:  # the next run says again that it compiles
        return


def _note(module: str) -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    place = [module, __file__, os.environ.get("NUMBA_CACHE_DIR")]
    return Path(root).expanduser() / "latticework" / f"kernels-{fingerprint(place)}.txt"


def _not_compiled(module: str) -> Iterator[Path]:
    paths = closure(module).values()
    return (path for path in paths if _has_kernels(path) and not _is_compiled(path))


def _has_kernels(path: Path) -> bool:
    return "cache=True" in path.read_text(encoding="utf-8")


def _is_compiled(path: Path) -> bool:
    root = os.environ.get("NUMBA_CACHE_DIR")
    folders = Path(root).rglob("*.nbi") if root else (path.parent / "__pycache__").glob("*.nbi")
    made = [index.stat().st_mtime for index in folders if index.name.startswith(f"{path.stem}.")]
    return bool(made) and max(made) >= path.stat().st_mtime
