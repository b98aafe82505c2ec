"""How fast this machine is, so that absolute times can be read elsewhere."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable

import numpy as np
from numba import njit


@njit
def _integer_loop(steps: int) -> int:
    """A chain of dependent 64-bit operations: one core's integer speed."""
    x = 88172645463325252
    for _ in range(steps):
        x ^= x << 13
        x ^= (x >> 7) & 0x1FFFFFFFFFFFFFF
        x ^= x << 17
    return x


def best_seconds(function: Callable[[], object], *, repeats: int = 3) -> float:
    """Time a call; the fastest of some repeats is the least disturbed one."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def calibrate() -> str:
    """Describe the machine in one line: processor, xorshift steps/s, copy bandwidth."""
    _integer_loop(10)
    steps = 50_000_000
    rate = steps / best_seconds(lambda: _integer_loop(steps))
    array = np.ones(1 << 25)
    bandwidth = 2 * array.nbytes / best_seconds(array.copy)
    processor = platform.processor() or platform.machine()
    return (
        f"machine: {processor}, {rate / 1e6:.0f} M xorshift steps/s on one core, "
        f"copy {bandwidth / 2**30:.1f} GiB/s"
    )
