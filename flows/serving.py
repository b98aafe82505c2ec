"""`latticework serve`: register the deployments of ``prefect.yaml`` and execute triggered runs.

It does what the three commands of deploy/README.md do by hand: a server (unless one is configured),
the work pools and deployments of the file, and one worker per pool, all on this machine and on
loopback. It ends with Ctrl-C or SIGTERM, and then so does everything that it started.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flows.servers import prefect_server
from tasks.records import InfrastructureError, InputError
from workers.processes import end, start
from workers.signals import sigterm_as_interrupt

__all__ = ["DeploymentFile", "find_deployment_file", "read_deployment_file", "serve"]

logger = logging.getLogger(__name__)

WORKER_POLL_SECONDS = 0.5
WORKER_SECONDS = 20.0
"""In which a worker ends its runs."""


@dataclass(frozen=True)
class DeploymentFile:
    """What is read from a ``prefect.yaml``.

    Attributes
    ----------
    path : Path
        The file.
    deployments : tuple of str
        Names of the deployments.
    pools : tuple of str
        Names of their work pools, each once.
    """

    path: Path
    deployments: tuple[str, ...]
    pools: tuple[str, ...]


def find_deployment_file(given: str = "") -> Path:
    """The file that was asked for, else ``deploy/prefect.yaml`` here or beside the packages."""
    places = [Path.cwd(), Path(__file__).resolve().parents[1]]
    candidates = [Path(given)] if given else [place / "deploy/prefect.yaml" for place in places]
    for candidate in candidates:
        if candidate.is_file():
            return candidate.resolve()
    raise InputError(
        f"no deployment file {' or '.join(map(str, candidates))}; name one with --file PATH"
    )


def read_deployment_file(path: Path) -> DeploymentFile:
    """Names of deployments and work pools; refuses what `prefect deploy` could not use."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        deployments: list[dict[str, Any]] = content["deployments"]
        names = tuple(str(entry["name"]) for entry in deployments)
        pools = dict.fromkeys(str(entry["work_pool"]["name"]) for entry in deployments)
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: expected a list `deployments`, each with a name and a work_pool.name "
            f"({type(error).__name__}: {reason})"
        ) from error
    return DeploymentFile(path, names, tuple(pools))


def serve(file: DeploymentFile, *, store: str, port: int, announce: Callable[[str], None]) -> None:
    """Register, then execute runs until interrupted.

    Parameters
    ----------
    file : DeploymentFile
        What to register.
    store : str
        Root of the results of runs that name no store of their own.
    port : int
        Port on loopback of a server that has to be started, where none is configured.
    announce : callable
        Receives lines for the person at the terminal.

    Raises
    ------
    InfrastructureError
        The server does not answer, a registration fails, or a worker ends by itself.
    """
    os.environ["LATTICEWORK_STORE"] = store
    with sigterm_as_interrupt(), prefect_server(port=port, ui=True) as url:
        for pool in file.pools:
            _ensure_pool(pool)
        _register(file)
        announce(f"Prefect at {url.removesuffix('/api')}")
        announce(f"deployments: {', '.join(file.deployments)}; results in {store}")
        announce("trigger a run in the UI or with `prefect deployment run`; Ctrl-C ends")
        with _workers(file.pools) as workers:
            _watch(workers)


def _ensure_pool(name: str) -> None:
    """Create a work pool of type process where it does not exist."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            pool = client.read_work_pool(name)
        except ObjectNotFound:
            client.create_work_pool(WorkPoolCreate(name=name, type="process"))
            return
    if pool.type != "process":
        raise InputError(f"work pool {name!r} is of type {pool.type}; `serve` needs type process")


def _register(file: DeploymentFile) -> None:
    """Register all deployments through Prefect's own command."""
    result = subprocess.run(
        _prefect("--no-prompt", "deploy", "--all", "--prefect-file", str(file.path)),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if result.returncode != 0:
        reason = " ".join((result.stderr + result.stdout).split())
        raise InfrastructureError(f"prefect deploy failed for {file.path}: {reason}")


@contextmanager
def _workers(pools: tuple[str, ...]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """One process worker per pool; each ends its runs when it is ended."""
    workers = [
        start(_prefect("--no-prompt", "worker", "start", "--type", "process", "--pool", pool))
        for pool in pools
    ]
    try:
        yield workers
    finally:
        end(workers, seconds=WORKER_SECONDS)


def _watch(workers: list[subprocess.Popen[bytes]]) -> None:
    """Block until a worker ends, which none does by itself."""
    pause = threading.Event()
    while all(worker.poll() is None for worker in workers):
        pause.wait(WORKER_POLL_SECONDS)
    raise InfrastructureError("a Prefect worker ended by itself; its messages are above")


def _prefect(*arguments: str) -> list[str]:
    """Prefect's command line, of this very Python."""
    return [sys.executable, "-m", "prefect", *arguments]
