"""`latticework doctor`: what is installed here, and what of it can be used.

Nothing is imported or started that takes long: versions are read from the installed metadata.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from flows.servers import configured_url, is_alive, prepare_environment
from tasks.records import RELEASE, Store, StoreError

__all__ = ["Finding", "examine"]

_NOT_FOR_RUNS = ("dev", "docs", "mosek")
"""Extras that no run needs, and the solver that has a line of its own."""
_MISSING = "missing; install the project with pip"
GPU_SECONDS = 20.0


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes
    ----------
    subject : str
        What was looked at.
    usable : bool
        Whether it can be used.
    detail : str
        Version, address, or what to do.
    """

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
    command = shutil.which("nvidia-smi")
    if command is None:
        return Finding("GPU", False, "none found (no nvidia-smi); CPU engines are used")
    query = [command, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(
            query, capture_output=True, text=True, timeout=GPU_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("GPU", False, f"nvidia-smi failed: {error}")
    names = [line.strip() for line in answer.stdout.splitlines() if line.strip()]
    return Finding("GPU", bool(names), "; ".join(names) or "the driver names no GPU")


def _solvers() -> Iterator[Finding]:
    """LP and conic solvers with their licenses."""
    yield Finding("HiGHS", True, f"in SciPy {version('scipy')}, no license needed")
    yield _licensed("MOSEK", "mosek", "MOSEKLM_LICENSE_FILE", Path.home() / "mosek/mosek.lic")
    yield _licensed("Gurobi", "gurobipy", "GRB_LICENSE_FILE", Path.home() / "gurobi.lic")


def _licensed(name: str, module: str, variable: str, default: Path) -> Finding:
    """A commercial solver: the package and the license file are both needed."""
    if find_spec(module) is None:
        return Finding(name, False, f"not installed (optional; package {module})")
    place = os.environ.get(variable) or str(default)
    # A value such as port@host names a license server.
    if "@" in place or Path(place).is_file():
        return Finding(name, True, f"{version(module)}, license {place}")
    return Finding(name, False, f"{version(module)}, but no license at {place} (set {variable})")


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
