"""Linear algebra in one thread.

The matrices here have some hundred rows: more threads wait for one another longer than they work,
and sums would depend on their number.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import scipy.linalg  # noqa: F401  loads the BLAS that is to be found
from threadpoolctl import ThreadpoolController


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread; also a decorator."""
    with _controller().limit(limits=1, user_api="blas"):
        yield


@cache
def _controller() -> ThreadpoolController:
    """The libraries that are loaded, looked for once: that takes milliseconds."""
    return ThreadpoolController()
