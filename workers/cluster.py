"""Connecting to the place where calls are made.

========================  ==========================================================
address                   executor
========================  ==========================================================
``local``                 a Ray embedded in this process, on the loopback interface
``serial``                this process, without Ray
``auto``                  the cluster of RAY_ADDRESS, else one running on this machine
``HOST:PORT``             the cluster whose head listens there; this machine is a node
``ray://HOST:PORT``       a cluster through Ray's client (needs ``ray[client]``)
========================  ==========================================================

One process has at most one Ray, and `connect` is its only owner: inner connections share the outer
one, the last one out closes it. A Ray that somebody else started is used and never shut down.

Workers import the project from where the driver does: the embedded Ray hands them the driver's
import path; the nodes of a cluster have the project installed, or get it with
``runtime_env={"working_dir": "."}``, which needs ``ray[default]`` there.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from tasks.records.errors import InputError
from workers import ray_session
from workers.executors import Executor, SerialExecutor
from workers.ray_executor import RayExecutor

logger = logging.getLogger(__name__)

OBJECT_STORE_BYTES = 200 * 10**6
"""Values in transit are small rows: the results of a window of calls, not data sets."""


@dataclass
class _Session:
    """The Ray of this process: the addresses it answers to, who uses it, how it ends."""

    addresses: tuple[str, ...]
    executor: RayExecutor
    resources: ExitStack
    users: int = 0


_lock = threading.RLock()
_sessions: list[_Session] = []  # at most one


@contextmanager
def connect(
    address: str = "local",
    *,
    num_cpus: int | None = None,
    num_gpus: int | None = None,
    object_store_bytes: int = OBJECT_STORE_BYTES,
    runtime_env: dict[str, Any] | None = None,
) -> Iterator[Executor]:
    """Executor at `address`, closed at the end of the block, by an exception and by Ctrl-C.

    Parameters
    ----------
    address
        See the table of this module.
    num_cpus, num_gpus
        What the embedded Ray offers; the machine's own numbers by default. ``local`` only.
    object_store_bytes
        Shared memory of the embedded Ray. ``local`` only.
    runtime_env
        Ray's runtime environment for the workers of an existing cluster.

    Raises
    ------
    InputError
        For an address of another form, or another one than this process is connected to.
    InfrastructureError
        If no cluster answers there, or it is of another version or wants another token.
    """
    if address == "serial":
        yield SerialExecutor()
        return
    local = ray_session.LocalSettings(num_cpus, num_gpus, object_store_bytes)
    session = _enter(address, local, runtime_env)
    try:
        yield session.executor
    finally:
        _leave(session)


def _enter(
    address: str, local: ray_session.LocalSettings, runtime_env: dict[str, Any] | None
) -> _Session:
    kind = ray_session.parse_address(address)
    with _lock:
        if not _sessions:
            _sessions.append(_open(address, kind, local, runtime_env))
        session = _sessions[0]
        if address not in session.addresses:
            raise InputError(
                f"this process is connected to {session.addresses[0]!r} and cannot also connect to "
                f"{address!r}; use the same address, or leave the other block first"
            )
        session.users += 1
        return session


def _open(
    address: str,
    kind: ray_session.AddressKind,
    local: ray_session.LocalSettings,
    runtime_env: dict[str, Any] | None,
) -> _Session:
    if ray_session.is_initialized():
        logger.info("using the Ray this process is already connected to")
        addresses = (ray_session.current_address(), "auto", "local")
        return _Session(addresses, RayExecutor(addresses[0]), ExitStack())
    with ExitStack() as stack:
        if kind is ray_session.AddressKind.LOCAL:
            ray_session.start_local(local, stack)
        else:
            ray_session.attach(address, kind, runtime_env, stack)
        return _Session((address, "auto"), RayExecutor(address), stack.pop_all())


def _leave(session: _Session) -> None:
    with _lock:
        session.users -= 1
        if session.users == 0:
            _sessions.remove(session)
            session.resources.close()
