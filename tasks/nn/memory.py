"""Memory of a process that trains for long."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any


def release_freed_memory() -> None:
    """Give freed memory back to the system, which the C library keeps for itself.

    Batches of many sizes leave holes between the blocks that live on, so without this a training
    grows for hours.  It takes milliseconds.  Only GNU's C library has such a call; elsewhere
    nothing happens.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Any | None:
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
