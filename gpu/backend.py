"""Which device a kernel runs on."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Literal, get_args

Device = Literal["auto", "cpu", "cuda"]


class DeviceUnavailableError(RuntimeError):
    """A device was asked for that is not there; the message says what is missing."""


@lru_cache(maxsize=1)
def cuda_problem() -> str:
    """Say why CUDA cannot be used, in one line; empty if it can."""
    if importlib.util.find_spec("cupy") is None:
        return "CuPy is not installed (pip install 'latticework[gpu]')"
    import cupy

    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"CUDA reports: {error}"
    return "" if count else "no CUDA device is visible"


def resolve_device(device: Device) -> Literal["cpu", "cuda"]:
    """Choose the device: ``auto`` takes a GPU if there is one.

    Raises
    ------
    DeviceUnavailableError
        If ``cuda`` is asked for and cannot be had.
    ValueError
        For any other word.
    """
    if device not in get_args(Device):
        raise ValueError(f"device must be one of {', '.join(get_args(Device))}, not {device!r}")
    if device == "cpu":
        return "cpu"
    problem = cuda_problem()
    if device == "cuda" and problem:
        raise DeviceUnavailableError(f"no GPU can be used: {problem}")
    return "cpu" if problem else "cuda"


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep PyTorch to one thread, so that sums depend on neither cores nor what runs beside."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
