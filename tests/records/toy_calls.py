"""Calls that misbehave, for processes with limits; imported there."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from pathlib import Path

from tasks.records.isolation import run_limited

CHUNK = 32 << 20
prepared: list[str] = []


def echo(value):
    return value


def pid(_):
    return os.getpid()


def hangs(_):
    time.sleep(600)


def hangs_in_compiled_code(_):
    """Python's own signal handlers and threads get no turn meanwhile."""
    pow(3, 1 << 30)


def leaves_a_process_behind(_):
    child = os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "600")
    left_behind(os.getpid()).write_text(str(child))
    hangs(_)


def left_behind(process: int) -> Path:
    """Where a process notes which one it leaves behind."""
    return Path(tempfile.gettempdir(), f"left-behind-{process}")


def works(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return seconds


def has_work_done(seconds):
    """In a process of its own, which nobody has heard of."""
    return run_limited(works, seconds, seconds=1000, memory_gib=1)


def crashes(_):
    os.kill(os.getpid(), signal.SIGSEGV)


def leaves(_):
    os._exit(3)


def aborts_for_memory(_):
    os.write(2, b"memory allocation of 8589934592 bytes failed\n")
    os.abort()


def eats_memory(_):
    eaten = []
    while True:
        eaten.append(b"x" * CHUNK)


def asks_for_too_much_at_once(_):
    return bytes(1 << 37)


def raises(_):
    raise ValueError("no\nidea")


def panics(_):
    raise BaseException("thread panicked")


def returns_a_lock(_):
    return threading.Lock()


class Unreadable:
    """Is pickled, and raises where it is unpickled."""

    def __reduce__(self):
        return int, ("no number",)


def returns_what_cannot_be_read(_):
    return Unreadable()


def prepares():
    prepared.append("once")
    time.sleep(1.0)


def prepares_otherwise():
    prepared.append("otherwise")


def cannot_prepare():
    raise RuntimeError("no network")


def preparations(_):
    return list(prepared)


def threads_of_blas(_):
    return [os.environ[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")]


def compiled_sum(n):
    """A Numba kernel, compiled there."""
    import numba
    import numpy as np

    @numba.njit
    def total(values):
        result = 0.0
        for value in values:
            result += value
        return result

    return float(total(np.arange(float(n)) @ np.ones((n, n))))
