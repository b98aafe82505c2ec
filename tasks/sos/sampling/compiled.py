"""How kernels are compiled: inner functions are called by other kernels alone, at half the cost."""

from __future__ import annotations

from typing import Any

from numba import njit

outer: Any = njit(cache=True, error_model="numpy")
"""For a function that Python calls."""
_WITHOUT_WRAPPERS: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
inner: Any = njit(cache=True, error_model="numpy", **_WITHOUT_WRAPPERS)
"""For a function that other compiled functions call: no wrappers, which take long to compile."""


@inner
def zero(row):
    """Set all entries to 0; a loop compiles faster than an assignment to a slice."""
    for i in range(row.size):
        row[i] = 0


@inner
def copy(row, target):
    """Copy a row over another one."""
    for i in range(row.size):
        target[i] = row[i]
