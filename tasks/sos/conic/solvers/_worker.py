"""The process that solves: one job after another, ended by its parent, by time or by memory.

Its ends are the kernel's business, since a solver may hold the interpreter for minutes: SIGALRM and
SIGIO keep their default action, death. SIGALRM is set a little past each job's time limit; SIGIO
comes when the *lifeline*, a pipe whose other end only the parent holds, closes. (The usual
PR_SET_PDEATHSIG would come when the starting thread ends, not the process.)
"""

from __future__ import annotations

import fcntl
import os
import pickle
import resource
import select
import signal
import socket
import struct
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from tasks.sos.conic._cone_program import ConicProgram
from tasks.sos.conic.solvers._status import Answer, Limits, SolverStatus, SolverUnavailable

GIB = 1 << 30
ALARM_SLACK_S = 2.0
"""The parent is the one to keep time; the alarm is for a parent that is stopped."""
ADDRESS_SLACK = GIB
"""Address space beyond resident memory: stacks and arenas that are never touched."""
HEADER = struct.Struct("<Q")
NOTHING = np.zeros(0)


def main(connection: int, lifeline: int) -> None:
    """Serve jobs (adapter, task, program, limits) from a socket until it closes."""
    _die_with(lifeline)
    with socket.socket(fileno=connection) as channel:
        send(channel, b"ready")
        while (message := receive(channel)) is not None:
            adapter, task, program, limits = pickle.loads(message)
            _limit(limits)
            answer = call_adapter(adapter, task, program, limits)
            signal.setitimer(signal.ITIMER_REAL, 0)
            send(channel, pickle.dumps(answer, protocol=5))


def call_adapter(adapter: str, task: str, program: ConicProgram | None, limits: Limits) -> Answer:
    """Solve, or probe, with the adapter module of that name; whatever it raises is a status."""
    try:
        module: Any = import_module(adapter)
        if task == "probe":
            module.probe()
            return failed(SolverStatus.OPTIMAL, "")
        return module.solve(program, limits)
    except SolverUnavailable as error:
        return failed(SolverStatus.UNAVAILABLE, str(error))
    except MemoryError as error:
        return failed(SolverStatus.MEMORY_LIMIT, str(error))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - panics of compiled code are no Exceptions
        return failed(SolverStatus.FAILED, f"{type(error).__name__}: {error}")


def failed(status: SolverStatus, message: str) -> Answer:
    """An answer without vectors."""
    return Answer(status, NOTHING, NOTHING, NOTHING, message=" ".join(message.split()))


def send(channel: socket.socket, message: bytes) -> None:
    """One message, its length first."""
    channel.sendall(HEADER.pack(len(message)))
    channel.sendall(message)


def receive(channel: socket.socket) -> bytes | None:
    """The next message; None if the other end closed."""
    header = _exactly(channel, HEADER.size)
    return None if header is None else _exactly(channel, HEADER.unpack(header)[0])


def _exactly(channel: socket.socket, length: int) -> bytes | None:
    data = bytearray(length)
    view = memoryview(data)
    while view:
        received = channel.recv_into(view)
        if not received:
            return None
        view = view[received:]
    return bytes(data)


def _die_with(lifeline: int) -> None:
    """Be killed by the kernel when the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGIO, signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC)
    # The parent may have died before that.
    if select.select([lifeline], [], [], 0)[0]:
        os._exit(1)


def _limit(limits: Limits) -> None:
    """Limits of last resort; the parent enforces closer ones."""
    signal.setitimer(signal.ITIMER_REAL, limits.time_limit_s + ALARM_SLACK_S)
    bound = _address_space() + int(limits.memory_limit_gib * GIB) + ADDRESS_SLACK
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        bound = min(bound, hard)
    resource.setrlimit(resource.RLIMIT_AS, (bound, hard))


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()
