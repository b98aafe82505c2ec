"""`latticework doctor`: what is installed here, and what of it can be used.

Nothing is imported or started that takes long: versions are read from the installed metadata.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from flows.servers import configured_url, is_alive, prepare_environment
from tasks.records import RELEASE, Store, StoreError
from workers.calls import gpu_models

__all__ = ["Finding", "examine"]

_NOT_FOR_RUNS = ("dev", "docs", "mosek")
"""Extras that no run needs, and the solver that has a line of its own."""
_MISSING = "missing; install the project with pip"
GPU_SECONDS = 20.0


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was looked at, whether it can be used, its version or place."""

    subject: str
    usable: bool
    detail: str


def examine(store: str = "") -> Iterator[Finding]:
    """Findings about packages, GPUs, solvers, Ray, Prefect and the store, in this order."""
    yield Finding("latticework", True, f"{RELEASE}, Python {platform.python_version()}")
    yield from _packages()
    yield _gpus()
    yield from _solvers()
    yield _ray()
    yield _prefect()
    yield _store(store)


def _packages() -> Iterator[Finding]:
    """Version of each package that the distribution requires, or what its absence means."""
    try:
        requirements = requires("latticework") or []
    except PackageNotFoundError:
        yield Finding("packages", False, "unknown, as latticework is not installed; use pip")
        return
    for requirement in requirements:
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        extra = re.search(r"""extra == ['"](.+?)['"]""", requirement)
        if extra and extra[1] in _NOT_FOR_RUNS:
            continue
        absent = f"not installed (optional: latticework[{extra[1]}])" if extra else _MISSING
        try:
            yield Finding(name, True, version(name))
        except PackageNotFoundError:
            yield Finding(name, False, absent)


def _gpus() -> Finding:
    """Models of the GPUs that the NVIDIA driver names."""
    names = gpu_models()
    return Finding("GPU", bool(names), "; ".join(names) or "none found; CPU engines are used")


def _solvers() -> Iterator[Finding]:
    """LP and conic solvers with their licenses."""
    yield Finding("HiGHS", True, f"in SciPy {version('scipy')}, no license needed")
    if find_spec("mosek") is None:
        yield Finding("MOSEK", False, "not installed (optional: latticework[mosek])")
        return
    place = os.environ.get("MOSEKLM_LICENSE_FILE") or str(Path.home() / "mosek/mosek.lic")
    # A value such as port@host names a license server.
    usable = "@" in place or Path(place).is_file()
    how = f"license {place}" if usable else f"no license at {place} (set MOSEKLM_LICENSE_FILE)"
    yield Finding("MOSEK", usable, f"{version('mosek')}, {how}")


def _ray() -> Finding:
    """Which Ray a run with ``--address auto`` would join."""
    address = os.environ.get("RAY_ADDRESS")
    where = f"RAY_ADDRESS={address}" if address else "no RAY_ADDRESS"
    return Finding("Ray address", True, f"{where}; runs use an embedded local Ray by default")


def _prefect() -> Finding:
    """The Prefect server that a run would use."""
    prepare_environment()
    url = configured_url()
    if not url:
        return Finding("Prefect server", True, "none configured; runs use a temporary one")
    alive = is_alive(url)
    return Finding("Prefect server", alive, url if alive else f"{url} does not answer")


def _store(root: str) -> Finding:
    """Whether the store can be written."""
    volume = Store.open(root or None).volume
    is_new = volume.local and not Path(volume.root).exists()
    try:
        volume.probe("")
    except StoreError as error:
        return Finding("store", False, str(error))
    if is_new:
        Path(volume.root).rmdir()
    return Finding("store", True, f"{volume.root} is writable")
