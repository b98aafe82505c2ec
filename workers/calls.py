"""One call on a worker: run the function, measure it, never raise.

This is the only code of the package that runs inside a worker process.
"""

import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workers.failures import Failure
from workers.logs import LogLine, collected_logs

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Call:
    """A call before it is made: the item's key, payload and shares, and how it is to be made."""

    key: str
    payload: Any
    gpus: float = 0.0
    remote: bool = False
    shares: tuple[str, ...] = ()


@dataclass(frozen=True)
class CallReport:
    """A call after it was made; `value` counts only if `failure` is None.

    `peak_rss_bytes` is the largest resident size of the worker process during the call, 0 when
    unknown; `started_at` is in UTC.
    """

    value: Any
    failure: Failure | None
    seconds: float
    host: str
    device: str
    started_at: datetime
    peak_rss_bytes: int
    logs: tuple[LogLine, ...]


def perform(function: Callable[..., Any], call: Call, *shared: Any) -> CallReport:
    """Make the call; an exception of the function becomes the report's failure.

    A function with a method `prepare` has it called first, which is not counted in the seconds.
    """
    started_at, start = datetime.now(UTC), time.perf_counter()
    value, failure = None, None
    with collected_logs(lower_levels=call.remote) as collector:
        try:
            prepare = getattr(function, "prepare", None)
            if prepare is not None:
                prepare()
                started_at, start = datetime.now(UTC), time.perf_counter()
            _reset_peak_rss()
            value = function(call.payload, *shared)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - any failure becomes a row
            failure = Failure.of(error)
    return CallReport(
        value=value,
        failure=failure,
        seconds=time.perf_counter() - start,
        host=platform.node() or UNKNOWN,
        device=device_name(call.gpus),
        started_at=started_at,
        peak_rss_bytes=_peak_rss_bytes(),
        logs=collector.finish(),
    )


def lost_report(failure: Failure, submitted_at: datetime) -> CallReport:
    """Report of a call whose worker cannot report any more; its time counts from submission."""
    seconds = (datetime.now(UTC) - submitted_at).total_seconds()
    return CallReport(None, failure, seconds, UNKNOWN, UNKNOWN, submitted_at, 0, ())


def device_name(gpus: float) -> str:
    """``"cpu"``, or the model and indices of the GPUs a call holds, e.g. ``NVIDIA H100 (gpu 0)``.

    Ray announces the GPUs of a call in CUDA_VISIBLE_DEVICES.
    """
    if not gpus:
        return "cpu"
    indices = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
    models = gpu_models()
    return f"{models[0] if models else 'GPU'} (gpu {indices})"


def gpu_models(
    root: Path = Path("/proc/driver/nvidia/gpus"), devices: Path = Path("/dev")
) -> list[str]:
    """Models of this machine's NVIDIA GPUs, asked of the driver without CUDA.

    A container may hide the driver's folder and show the device files only: then ``"GPU"`` each.
    """
    texts = [path.read_text() for path in sorted(root.glob("*/information"))]
    lines = [line for text in texts for line in text.splitlines() if line.startswith("Model:")]
    models = [line.removeprefix("Model:").strip() for line in lines]
    return models or ["GPU" for _ in devices.glob("nvidia[0-9]*")]


def _reset_peak_rss() -> None:
    # Writing 5 resets VmHWM (Linux, proc(5)), so that the peak is the call's own.
    # A sandbox may refuse; then the peak is the process's, which is an upper bound.
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_rss_bytes(status: Path = Path("/proc/self/status")) -> int:
    if not status.exists():
        return 0
    lines = status.read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
