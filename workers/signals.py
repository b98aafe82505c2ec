"""Interrupts: SIGTERM ends a command or a flow as Ctrl-C does, in order and in one line.

Prefect turns SIGTERM into an exception of its own, which compiled code such as Ray's cannot pass
on; a KeyboardInterrupt it can. Numba's code cannot pass on either: an interrupt that is pending
when a kernel returns becomes a SystemError or a crash of the process, so kernels of this process
run in a thread of their own, where Python raises no interrupts.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

__all__ = ["Interruptible", "run_interruptibly", "sigterm_as_interrupt"]

T = TypeVar("T")

POLL_SECONDS = 0.2
_noted = threading.Event()
"""Set once an interrupt has come in the present context."""


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGTERM in this context; no effect outside the main thread.

    Interrupts are also noted: Python drops one that is raised within a finalizer or a callback of
    compiled code, and `run_interruptibly` raises it again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _noted.clear()
    previous = {signal.SIGTERM: signal.signal(signal.SIGTERM, _interrupt)}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        previous[signal.SIGINT] = signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Note an interrupt and raise it."""
    _noted.set()
    signal.default_int_handler(number, frame)


def run_interruptibly(function: Callable[..., T], *arguments: Any) -> T:
    """``function(*arguments)``, made in a thread, so that an interrupt is raised here and at once.

    After an interrupt the thread goes on until the process ends; it is a daemon, and its value is
    lost.
    """
    future: Future[T] = Future()

    def call() -> None:
        try:
            future.set_result(function(*arguments))
        except BaseException as error:  # noqa: BLE001 - raised again by `future.result()`
            future.set_exception(error)

    threading.Thread(target=copy_context().run, args=(call,), daemon=True).start()
    while not wait([future], timeout=POLL_SECONDS).done:
        if _noted.is_set():
            raise KeyboardInterrupt
    return future.result()


@dataclass(frozen=True)
class Interruptible:
    """A function whose calls, and whose preparation, are ended by an interrupt at once."""

    function: Callable[..., Any]

    def prepare(self) -> None:
        """Prepare the calls."""
        prepare = getattr(self.function, "prepare", None)
        if prepare is not None:
            run_interruptibly(prepare)

    def __call__(self, *arguments: Any) -> Any:
        """Make the call."""
        return run_interruptibly(self.function, *arguments)
