"""Which Prefect server a command talks to: the configured one, else a temporary one of its own.

A configured server is the one of ``PREFECT_API_URL`` or of the active Prefect profile. Without one,
a server is started on loopback for the time of the command. It keeps its records in
``<PREFECT_HOME>/latticework.db``: the user's own ``prefect.db`` is left alone, whichever version of
Prefect wrote it. The temporary server is a session of its own, so that Ctrl-C in the terminal ends
the flow first and the server last, and it ends with its parent however that ends.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from tasks.records import InfrastructureError
from workers.processes import end, held_port, last_error, start
from workers.supervision import abandon, is_supervised

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

__all__ = ["configured_url", "failure_message", "is_alive", "prefect_server", "prepare_environment"]

logger = logging.getLogger(__name__)

# No questions, no telemetry; whatever the user has set stays as it is.
QUIET_ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # A busy two-core machine needs longer than the default of 20 s.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
}
STARTUP_SECONDS = 180.0
ANSWER_SECONDS = 60.0
POLL_SECONDS = 0.1
QUEUE_SECONDS = 5.0
STOP_SECONDS = 5.0


def prepare_environment() -> None:
    """Set the defaults that must be in the environment before `prefect` is imported."""
    for name, value in QUIET_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="prefect-")
        logger.warning(
            "PREFECT_HOME %s is not writable (%s); using %s instead",
            home,
            error.strerror,
            os.environ["PREFECT_HOME"],
        )


def configured_url() -> str:
    """API address from ``PREFECT_API_URL`` or the active profile; "" where there is none."""
    from prefect.settings import get_current_settings

    return str(get_current_settings().api.url or "")


def failure_message(state: State[Any]) -> str:
    """The one line with which a flow describes its failure, "" for a completed one.

    An exception that left the flow is no such description but a bug, and is raised again.
    """
    from prefect.exceptions import FailedRun

    if state.is_completed():
        return ""
    try:
        state.result()
    except FailedRun as error:
        return str(error)
    return f"the flow ended in state {state.name}"


def is_alive(url: str, *, timeout: float = 5.0) -> bool:
    """Whether a Prefect API answers at this address."""
    try:
        with urlopen(f"{url.rstrip('/')}/health", timeout=timeout) as answer:
            return answer.status == 200
    except HTTPError as error:
        # A server that wants credentials is alive.
        return error.code in (401, 403)
    except (URLError, OSError, ValueError):
        return False


@contextmanager
def prefect_server(
    *, port: int = 0, ui: bool = False, meanwhile: Callable[[], object] = lambda: None
) -> Iterator[str]:
    """The address of a Prefect API that answers, for the time of the context.

    Parameters
    ----------
    port : int
        Port of a server that has to be started; 0 takes a free one.
    ui : bool
        Whether a server that has to be started schedules runs and shows its pages too.
    meanwhile : callable
        Called while a server that has to be started does so, which takes seconds.

    Raises
    ------
    InfrastructureError
        The configured server does not answer, or the temporary one does not start.
    """
    url = configured_url()
    if url:
        # One that is gone refuses at once; a busy one may take its time.
        if not is_alive(url, timeout=ANSWER_SECONDS):
            raise InfrastructureError(
                f"the configured Prefect server {url} does not answer; start it with "
                "`prefect server start`, or unset PREFECT_API_URL to use a temporary one",
                retryable=True,
            )
        yield url
        return
    with _temporary_server(port, meanwhile, ui=ui) as url, _settings_for(url):
        yield url


@contextmanager
def _settings_for(url: str) -> Iterator[None]:
    """Point Prefect in this process, and in the processes it starts, at one API."""
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        temporary_settings,
    )

    os.environ["PREFECT_API_URL"] = url
    try:
        # Heartbeats cost a second per run and help only a server that outlives it.
        changes: dict[Any, Any] = {PREFECT_API_URL: url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
        with temporary_settings(changes):
            try:
                yield
            finally:
                _send_what_is_queued()
    finally:
        del os.environ["PREFECT_API_URL"]


def _send_what_is_queued() -> None:
    """Let Prefect's threads send their last logs and events while there is a server to send to."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for service in (APILogWorker, EventsWorker):
        service.drain_all(timeout=QUEUE_SECONDS, at_exit=False)


@contextmanager
def _temporary_server(port: int, meanwhile: Callable[[], object], *, ui: bool) -> Iterator[str]:
    """Start a server process on loopback, wait until it answers, end it afterwards."""
    with tempfile.TemporaryFile() as log:
        with _beside("lock").open("w") as lock, held_port(port) as held:
            # One start at a time per Prefect home: two first ones would both make the tables.
            fcntl.flock(lock, fcntl.LOCK_EX)
            url = f"http://127.0.0.1:{held}/api"
            process = _start(held, log=log, ui=ui)
            try:
                meanwhile()
                _wait_until_alive(url, process, log)
                _beside("revision").write_text(_revision())
            except BaseException:
                end([process], seconds=STOP_SECONDS)
                raise
        ending = threading.Event()
        if is_supervised():
            threading.Thread(target=_watch, args=(process, ending), daemon=True).start()
        try:
            yield url
        finally:
            ending.set()
            end([process], seconds=STOP_SECONDS)


def _watch(process: subprocess.Popen[bytes], ending: threading.Event) -> None:
    """End a run whose server is gone: Prefect itself would wait for it without end."""
    process.wait()
    if not ending.is_set():
        abandon("the temporary Prefect server ended")


def _start(port: int, *, log, ui: bool) -> subprocess.Popen[bytes]:
    """Start Prefect's application under uvicorn; the full set of services only with the pages."""
    environment = os.environ | {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": _database_url(),
        "PREFECT_UI_ENABLED": "1" if ui else "0",
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT__SERVER_FINAL": "1",
    }
    if ui:
        environment["PREFECT_UI_API_URL"] = f"http://127.0.0.1:{port}/api"
    else:
        environment["PREFECT__SERVER_EPHEMERAL"] = "1"
    if _beside("revision").is_file() and _beside("revision").read_text() == _revision() != "":
        environment["PREFECT_SERVER_DATABASE_MIGRATE_ON_START"] = "0"
    options = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error"]
    application = ["--factory", "flows.server_application:create_app", "--lifespan", "on"]
    # Not the current folder, where packages of our names may lie.
    options += ["--app-dir", str(Path(__file__).parents[1])]
    command = [sys.executable, "-P", "-m", "uvicorn", *application, *options]
    return start(command, dies_with_us=True, env=environment, stdout=log, stderr=log)


def _database_url() -> str:
    """The user's choice of database, else a file of our own beside the user's."""
    chosen = os.environ.get("PREFECT_SERVER_DATABASE_CONNECTION_URL") or os.environ.get(
        "PREFECT_API_DATABASE_CONNECTION_URL"
    )
    return chosen or f"sqlite+aiosqlite:///{_beside('db')}"


def _beside(suffix: str) -> Path:
    from prefect.settings import get_current_settings

    return get_current_settings().home / f"latticework.{suffix}"


def _revision() -> str:
    """The database, the revision of its tables and Prefect's version; "" where that says nothing.

    A database with which a server of this version has worked before needs no migration, and
    Prefect takes 0.6 s to find that out.
    """
    from prefect import __version__
    from prefect.settings import PREFECT_API_DATABASE_MIGRATE_ON_START

    url = _database_url()
    path = Path(url.partition(":///")[2]).absolute()
    if not PREFECT_API_DATABASE_MIGRATE_ON_START.value():
        return ""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            (revision,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
    except (sqlite3.Error, TypeError):
        return ""
    return f"{url}, revision {revision}, prefect {__version__}\n"


def _wait_until_alive(url: str, process: subprocess.Popen[bytes], log) -> None:
    """Return when the server answers; raise with the end of its log when it never does."""
    deadline = time.monotonic() + STARTUP_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if is_alive(url):
            return
        time.sleep(POLL_SECONDS)
    log.seek(0)
    raise InfrastructureError(
        f"a temporary Prefect server did not start: {last_error(log.read())}; start one with "
        "`prefect server start` and set PREFECT_API_URL",
        retryable=True,
    )
