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
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import copy_context
from typing import TypeVar

__all__ = ["run_interruptibly", "sigterm_as_interrupt"]

T = TypeVar("T")
U = TypeVar("U")


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGTERM in this context; no effect outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def run_interruptibly(function: Callable[[T], U], argument: T) -> U:
    """``function(argument)``, made in a thread, so that an interrupt is raised here and at once.

    After an interrupt the thread goes on until the process ends; it is a daemon, and its value is
    lost.
    """
    future: Future[U] = Future()

    def call() -> None:
        try:
            future.set_result(function(argument))
        except BaseException as error:  # noqa: BLE001 - raised again by `future.result()`
            future.set_exception(error)

    threading.Thread(target=copy_context().run, args=(call,), daemon=True).start()
    return future.result()
