"""Programs that a command starts beside itself: servers and workers that are to end with it."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tasks.records.errors import InfrastructureError

__all__ = ["end", "held_port", "last_error", "start"]

PR_SET_PDEATHSIG = 1


def start(command: Sequence[str], *, dies_with_us: bool = False, **options: Any) -> Any:
    """Start a program in a session of its own: Ctrl-C reaches it through us, and in order.

    With `dies_with_us` Linux ends it when the thread that starts it ends, even by SIGKILL.
    """
    bound = _die_with_parent if dies_with_us and sys.platform == "linux" else None
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=bound, **options
    )


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def end(processes: Sequence[subprocess.Popen[bytes]], *, seconds: float) -> None:
    """End programs with all that they started: politely, after some seconds firmly."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def held_port(port: int) -> Iterator[int]:
    """A port on loopback, 0 for any, that nobody else is given before a server listens on it.

    Raises
    ------
    InfrastructureError
        If the port is taken.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", port))
        except OSError as error:
            raise InfrastructureError(
                f"port {port} of this machine cannot be used ({error.strerror}); give another one "
                "with --port, or set PREFECT_API_URL if a Prefect server answers there"
            ) from error
        held = holder.getsockname()[1]
        if sys.platform != "linux":  # elsewhere no socket listens beside one that is bound
            holder.close()
        yield held


def last_error(log: bytes) -> str:
    """The last line that names an error, rather than a place in the code."""
    lines = log.decode(errors="replace").strip().splitlines()
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (named or lines or ["no message"])[-1].strip()
