"""A command in a child process, so that it always ends with an answer.

Ray's core ends the process it lives in when its control store is lost, without an exception that
could be caught, and the kernel ends processes for want of memory. The command therefore runs in a
forked child, and the parent, which imports neither Ray nor Prefect, reports what became of it.

The child is a process group of its own: signals reach it once, through the parent. If the parent is
killed, the kernel kills the child.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FrameType

__all__ = ["Verdict", "abandon", "is_supervised", "supervise"]

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG = 1

_answer_pipe = -1
"""Where the child answers; -1 in a process that nobody supervises."""


@dataclass(frozen=True)
class Verdict:
    """How a supervised call ended.

    Attributes
    ----------
    code : int
        Exit code.
    reason : str
        Why there is no answer, in one line; "" if the call answered by itself.
    """

    code: int
    reason: str = ""


def supervise(call: Callable[[], int]) -> Verdict:
    """Make a call in a child process and wait for its answer.

    Must be called before threads are started. The child runs its exit handlers and is then ended
    without taking the interpreter down: a thread that an interrupt left behind in compiled code
    would otherwise end it in C++'s `terminate`. Whatever handlers do, the code it answered with
    counts.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    read_end, write_end = os.pipe()
    # Held back until the parent hands them on and the child is a group of its own.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    child = os.fork()
    if child == 0:
        os.close(read_end)
        _answer_from(write_end, call, mask)
    os.close(write_end)
    status = _wait(child, mask)
    with os.fdopen(read_end, "rb") as pipe:
        answer = pipe.read().decode("utf-8", errors="replace")
    return _verdict(answer, status)


def is_supervised() -> bool:
    """Whether somebody waits for this process's answer."""
    return _answer_pipe >= 0


def abandon(reason: str) -> None:
    """End this process at once because it cannot go on; the supervisor reports the reason.

    Only for supervised processes.
    """
    os.write(_answer_pipe, f"!{reason}".encode())
    os._exit(1)


def _answer_from(pipe: int, call: Callable[[], int], mask: Iterable[int]) -> None:
    """Make the call in the child and answer with its exit code; does not return."""
    global _answer_pipe
    _answer_pipe = pipe
    os.setpgid(0, 0)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # Handlers run in reverse order: registered before all others of the child, this one is last.
    atexit.register(_leave)
    code = call()
    sys.stdout.flush()
    os.write(pipe, str(code).encode())
    sys.exit(code)


def _leave() -> None:
    """End this process after its last exit handler; its exit code is ignored."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _wait(child: int, mask: Iterable[int]) -> int:
    """Wait for the child and hand signals on to it, those held back first; its wait status."""

    def forward(number: int, _: FrameType | None) -> None:
        os.kill(child, number)

    before = {number: signal.signal(number, forward) for number in FORWARDED}
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        _, status = os.waitpid(child, 0)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return status


def _verdict(answer: str, status: int) -> Verdict:
    """Read the answer; without one, say how the process ended."""
    if answer.startswith("!"):
        return Verdict(1, answer[1:])
    if answer:
        return Verdict(int(answer))
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        return Verdict(1, f"the flow's process was ended by {name}")
    return Verdict(1, f"the flow's process ended without an answer, exit code {status >> 8}")
