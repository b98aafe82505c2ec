"""Starting, joining and ending Ray, quietly and on the loopback interface.

What is set here that Ray does not do by itself: an embedded Ray listens on the loopback interface
only and demands a token made for it, its folder is short (socket paths end at 107 bytes) and is
removed, nothing of it reaches the terminal, and Ctrl-C does not leave it half started.
"""

import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from tasks.records.errors import InfrastructureError, InputError
from workers import ray_environment

logger = logging.getLogger(__name__)

_ANSWER_SECONDS = 5.0
_IDLE_MILLISECONDS = 600_000
"""By itself Ray ends a worker that was idle for a second while others hold all CPUs; the next stage
then waits for imports."""


class AddressKind(Enum):
    """Forms of an address."""

    LOCAL = "local"
    AUTO = "auto"
    HEAD = "head"
    CLIENT = "client"


@dataclass(frozen=True)
class LocalSettings:
    """What an embedded Ray offers; None is the machine's own number."""

    num_cpus: int | None
    num_gpus: int | None
    object_store_bytes: int


def parse_address(address: str) -> AddressKind:
    """Form of `address`; `InputError` if it has none of the allowed ones."""
    if address in ("local", "auto"):
        return AddressKind(address)
    kind = AddressKind.CLIENT if address.startswith("ray://") else AddressKind.HEAD
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise InputError(
            f"address {address!r} is not allowed: use local, serial, auto, HOST:PORT "
            "or ray://HOST:PORT"
        )
    return kind


def is_initialized() -> bool:
    """Whether this process has a Ray; never imports it for the question."""
    return "ray" in sys.modules and sys.modules["ray"].is_initialized()


def current_address() -> str:
    """``HOST:PORT`` of the cluster this process is connected to."""
    import ray

    return str(ray.get_runtime_context().gcs_address)


def remove_abandoned_folders(root: Path) -> None:
    """Remove the folders of embedded Rays whose driver was killed before it could."""
    for folder in root.glob("lw-*-*"):
        owner = folder.name.split("-")[1]
        if owner.isdecimal() and not _is_running(int(owner)):
            logger.info("removing %s, left behind by process %s", folder, owner)
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(process: int) -> bool:
    """Whether a process of this number exists."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's
    return True


def start_local(settings: LocalSettings, stack: ExitStack) -> None:
    """Start an embedded Ray; `stack` ends it and removes its folder.

    Raises
    ------
    InputError
        If the current folder hides the project from workers.
    """
    ray_environment.check_folder(Path.cwd())
    root = ray_environment.short_temp_root()
    remove_abandoned_folders(Path(root or tempfile.gettempdir()))
    folder = tempfile.mkdtemp(prefix=f"lw-{os.getpid()}-", dir=root)
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    changes = {**ray_environment.local_token(), "PYTHONPATH": ray_environment.import_path()}
    stack.callback(_shutdown)
    with (
        _interrupt_deferred(),
        ray_environment.environment(changes),
        ray_environment.authentication(),
        ray_environment.loopback_only(),
        _explained("cannot start Ray on this machine"),
    ):
        _init(
            address="local",
            num_cpus=settings.num_cpus,
            num_gpus=settings.num_gpus,
            include_dashboard=False,
            object_store_memory=settings.object_store_bytes,
            _plasma_directory=ray_environment.object_store_folder(
                settings.object_store_bytes, folder
            ),
            _system_config={"idle_worker_killing_time_threshold_ms": _IDLE_MILLISECONDS},
            _temp_dir=str(Path(folder, "r")),  # Ray opens its folder to all; ours around it is not
        )
    logger.debug("started Ray in %s", folder)


def attach(
    address: str, kind: AddressKind, runtime_env: dict[str, Any] | None, stack: ExitStack
) -> None:
    """Join an existing cluster; `stack` leaves it, which ends this driver's calls and no more."""
    target = os.environ.get("RAY_ADDRESS", "") if kind is AddressKind.AUTO else address
    if target not in ("", "auto", "local"):
        _require_answer(target)
    stack.callback(_shutdown)
    with (
        ray_environment.environment(ray_environment.cluster_token()),
        ray_environment.authentication(),
        _explained(f"cannot join the Ray cluster at {target or 'auto'}"),
    ):
        _init(address=address, runtime_env=runtime_env)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn what `ray.init` raises into one line."""
    try:
        yield
    except (RuntimeError, ValueError, ImportError, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        retryable = isinstance(error, ConnectionError)
        raise InfrastructureError(f"{what}: {reason}", retryable=retryable) from error


def _init(**arguments: Any) -> None:
    import ray

    previous = signal.getsignal(signal.SIGTERM)
    ray.init(log_to_driver=False, logging_level=logging.CRITICAL, **arguments)
    _quiet_messages()
    # Ray takes SIGTERM over; whoever handled it before (a flow run) still has to see it.
    if callable(previous) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, previous)


def _quiet_messages() -> None:
    """Send the messages Ray prints to standard output to its logger: stdout carries our JSON."""
    from ray._private import worker

    def log(data: Mapping[str, Any], *_: Any, **__: Any) -> None:
        logger.debug("Ray: %s", " ".join(str(line) for line in data.get("lines", ())))

    worker.print_to_stdstream = log


def _shutdown() -> None:
    import ray

    with _interrupt_deferred():
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Ask first: Ray itself would try for 20 s and write to the terminal."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()
    except OSError as error:
        raise InfrastructureError(
            f"no Ray cluster answers at {address} ({error.strerror or error}); start one with "
            "`ray start --head`, or use the address local",
            retryable=True,
        ) from error


@contextmanager
def _interrupt_deferred() -> Iterator[None]:
    """Deliver Ctrl-C after the block: a Ray interrupted half way leaves processes behind.

    A second Ctrl-C is delivered at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.getsignal(signal.SIGINT) or signal.SIG_DFL
    pending: list[int] = []

    def defer(number: int, _frame: object) -> None:
        pending.append(number)
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, defer)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        if pending:
            signal.raise_signal(signal.SIGINT)
