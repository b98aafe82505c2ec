"""Environment of Ray's processes: token, network interface, import path, folders."""

import importlib
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.records.errors import InputError

# No usage reports; calls without GPU keep CUDA_VISIBLE_DEVICES; repeated log lines stay apart.
_DEFAULTS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
}
_LONGEST_TEMP_PATH = 30


def local_token() -> dict[str, str]:
    """Token of an embedded Ray: whoever reaches a Ray without one can run code as its user."""
    if os.environ.get("RAY_AUTH_MODE", "token") != "token":
        return {}
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def cluster_token() -> dict[str, str]:
    """Token mode for a cluster if a token is configured; Ray's own default depends on history."""
    if "RAY_AUTH_MODE" in os.environ:
        return {}
    configured = "RAY_AUTH_TOKEN" in os.environ or "RAY_AUTH_TOKEN_PATH" in os.environ
    present = configured or (Path.home() / ".ray" / "auth_token").exists()
    return {"RAY_AUTH_MODE": "token" if present else "disabled"}


@contextmanager
def environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Environment for the processes Ray starts: the changes, and defaults where nothing is set."""
    before = dict(os.environ)
    defaults = {name: value for name, value in _DEFAULTS.items() if name not in before}
    changed = {**defaults, **changes}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name in changed:
            os.environ.pop(name)
            if name in before:
                os.environ[name] = before[name]


@contextmanager
def authentication() -> Iterator[None]:
    """Make Ray read mode and token again: it caches both when it is imported."""
    raylet: Any = importlib.import_module("ray._raylet")  # compiled: unknown to type checkers
    raylet.Config.initialize("")
    raylet.AuthenticationTokenLoader.instance().reset_cache()
    yield


@contextmanager
def loopback_only() -> Iterator[None]:
    """Make a starting Ray take 127.0.0.1 as its node's address, so that all its servers bind there.

    Ray replaces a given loopback address by a public one; this switch, meant for other systems,
    is the one that stops it. It is read on import here, from the environment by its children.
    """
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    with environment({ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR: "0"}):
        ray_constants.ENABLE_RAY_CLUSTER = False
        try:
            yield
        finally:
            ray_constants.ENABLE_RAY_CLUSTER = before


def short_temp_root() -> str | None:
    """Folder for Ray's folder; None is the system's own."""
    return "/tmp" if len(tempfile.gettempdir()) > _LONGEST_TEMP_PATH else None


def import_path() -> str:
    """The driver's import path without the interpreter's own folders, which workers have."""
    own = (sys.prefix, sys.base_prefix)
    folders = [str(Path(entry or ".").resolve()) for entry in sys.path]
    return os.pathsep.join(f for f in dict.fromkeys(folders) if not f.startswith(own))


def check_folder(folder: Path) -> None:
    """Refuse a current folder with packages of our names: Ray's workers import from there first.

    Raises
    ------
    InputError
    """
    ours = Path(__file__).parents[1]
    for name in ("flows", "workers", "tasks", "gpu"):
        found = next((p for p in (folder / name, folder / f"{name}.py") if p.exists()), None)
        if found is not None and folder.resolve() != ours:
            raise InputError(
                f"{found} hides {name} of latticework from Ray's workers: start in another folder, "
                "or take the address serial"
            )


def object_store_folder(size_bytes: int, folder: str) -> str | None:
    """Where values in transit live: None is shared memory, else Ray's folder if that is small."""
    shared = Path("/dev/shm")
    if shared.is_dir() and shutil.disk_usage(shared).free >= size_bytes:
        return None
    return folder
