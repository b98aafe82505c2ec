"""Code versions: what the sources were when a record was made.

The version of a set of packages is ``release+digest``, the digest being the first 10 hex digits of
the SHA-256 over (relative name, bytes) of every source, table (``*.json``) and trained model
(``*.safetensors``) in their folders. Editing one of them makes new runs; editing anything else does
not.
"""

import hashlib
import importlib.metadata
import importlib.util
from functools import lru_cache
from pathlib import Path

from tasks.records.errors import InputError

_FALLBACK_RELEASE = "0.1.0"
_SUFFIXES = ("*.py", "*.json", "*.toml", "*.cu", "*.safetensors")


def _release() -> str:
    try:
        return importlib.metadata.version("latticework")
    except importlib.metadata.PackageNotFoundError:
        # A source tree on the path (a Ray working directory) carries no distribution metadata.
        return _FALLBACK_RELEASE


RELEASE = _release()


@lru_cache
def code_version(*packages: str) -> str:
    """Code version of `packages`, independent of their order and of where they are installed.

    Parameters
    ----------
    packages
        Dotted names, e.g. ``"tasks.tcurves"``; sub-packages are included.

    Examples
    --------
    >>> code_version("tasks.records").startswith(RELEASE + "+")
    True
    """
    digest = hashlib.sha256()
    for package in sorted(set(packages)):
        for name, path in _sources(package):
            digest.update(f"{len(name)}:{name}:{path.stat().st_size}:".encode())
            digest.update(path.read_bytes())
    return f"{RELEASE}+{digest.hexdigest()[:10]}"


def _sources(package: str) -> list[tuple[str, Path]]:
    folder = _folder(package)
    paths = [path for suffix in _SUFFIXES for path in folder.rglob(suffix)]
    return sorted((f"{package}/{path.relative_to(folder).as_posix()}", path) for path in paths)


def _folder(package: str) -> Path:
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"{package!r} is no importable package; name one such as 'tasks.records'")
    return Path(next(iter(spec.submodule_search_locations)))
