"""How soon an answer comes: `python -m benchmarks.start`.

Commands as a person gives them, each a process of its own, the best of a few tries after one that
compiles kernels and parses sources:

* ``latticework list`` and ``latticework show NAME``;
* a trivial run without Ray, from start to end, its Prefect server and report included.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time

from benchmarks.calibration import calibrate

TRIES = 5
BARS = {"list": 0.5, "show tcurve-census": 0.5, "run": 6.0}
"""Most seconds."""


def best_of(arguments: list[str], tries: int = TRIES) -> float:
    """Least wall seconds of a command."""
    seconds = []
    for _ in range(tries):
        start = time.perf_counter()
        command = [sys.executable, "-m", "flows.cli", *arguments]
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def run_seconds() -> float:
    """Least wall seconds of a run of one small triangulation, in a new store each time."""
    seconds = []
    for _ in range(TRIES):
        with tempfile.TemporaryDirectory() as store:
            run = ["run", "tcurve-census", "--recipe", "degree6-smoke"]
            seconds.append(best_of([*run, "--address", "serial", "--out", store], tries=1))
    return min(seconds[1:])


def main() -> int:
    """Exit 1 if a bar is missed."""
    print(calibrate())
    is_met = True
    for name, bar in BARS.items():
        found = run_seconds() if name == "run" else best_of(name.split())
        is_met &= found <= bar
        print(f"latticework {name}: {found:.2f} s (at most {bar:g})")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
