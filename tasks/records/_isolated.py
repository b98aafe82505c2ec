"""The process that serves calls: one after another, ended by its parent, by time or by memory.

Its ends are the kernel's business, since a call may hold the interpreter for minutes: SIGALRM and
SIGIO keep their default action, death. SIGALRM is set a little past each call's time limit; SIGIO
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
from pathlib import Path
from typing import Literal

GIB = 1 << 30
ALARM_SLACK_S = 2.0
"""The parent is the one to keep time; the alarm is for a parent that is stopped."""
ADDRESS_SLACK = GIB
"""Address space beyond resident memory: stacks and arenas that are never touched."""
_LENGTH = struct.Struct("<Q")
_LIMITS = struct.Struct("<dQ")

Ending = Literal["time", "memory", "raised", "ended", "unstarted"]


def main(connection: int, lifeline: int) -> None:
    """Serve calls from a socket until it closes."""
    _die_with(lifeline)
    with socket.socket(fileno=connection) as channel:
        send(channel, b"started")
        while (message := receive(channel)) is not None:
            _limit(*_LIMITS.unpack_from(message))
            reply = _reply(memoryview(message)[_LIMITS.size :])
            signal.setitimer(signal.ITIMER_REAL, 0)
            send(channel, reply)


def load(function: bytes) -> None:
    """Import a function."""
    pickle.loads(function)


def perform(prepare: bytes) -> None:
    """Call what prepares the process, unless it is None."""
    prepares = pickle.loads(prepare)
    if prepares is not None:
        prepares()


def pack_call(call: bytes, seconds: float, max_bytes: int) -> bytes:
    """Message: limits (0 seconds: none), then the pickled function and argument."""
    return _LIMITS.pack(seconds, max_bytes) + call


def _reply(call: memoryview) -> bytes:
    """The value of a call, or what it raised, pickled."""
    try:
        function, argument = pickle.loads(call)
        return pickle.dumps(("value", function(argument)), protocol=5)
    except MemoryError as error:
        return pickle.dumps(("memory", str(error)))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - panics of compiled code are no Exceptions
        return pickle.dumps(("raised", f"{type(error).__name__}: {error}"))


def send(channel: socket.socket, message: bytes) -> None:
    """One message, its length first."""
    channel.sendall(_LENGTH.pack(len(message)))
    channel.sendall(message)


def receive(channel: socket.socket) -> bytes | None:
    """The next message; None if the other end closed."""
    length = _exactly(channel, _LENGTH.size)
    return None if length is None else _exactly(channel, _LENGTH.unpack(length)[0])


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


def _limit(seconds: float, max_bytes: int) -> None:
    """Limits of last resort; the parent enforces closer ones."""
    signal.setitimer(signal.ITIMER_REAL, seconds + ALARM_SLACK_S if seconds else 0)
    bound = _address_space() + max_bytes + ADDRESS_SLACK
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        bound = min(bound, hard)
    resource.setrlimit(resource.RLIMIT_AS, (bound, hard))


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()
