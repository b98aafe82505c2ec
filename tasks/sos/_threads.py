"""Linear algebra in one thread.

The matrices here have some hundred rows: more threads wait for one another longer than they work,
and sums would depend on their number.  The number of threads belongs to the process, so overlapping
blocks share one limit, which the last of them lifts.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import scipy.linalg  # noqa: F401  loads the BLAS to be detected
from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_limits: list[Any] = []
"""The limit in force, once for every block that is inside."""


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread; also a decorator."""
    with _lock:
        _limits.append(_limits[0] if _limits else _blas().limit(limits=1))
    try:
        yield
    finally:
        with _lock:
            limit = _limits.pop()
            if not _limits:
                limit.restore_original_limits()


@cache
def _blas() -> ThreadpoolController:
    """The BLAS libraries that are loaded, looked for once: that takes milliseconds.

    No OpenMP: its number belongs to a thread, and is not to be lifted by the last block's thread to
    what it was in the first one's.
    """
    return ThreadpoolController().select(user_api="blas")
