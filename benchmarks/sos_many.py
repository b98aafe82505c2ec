"""Many small polynomials in one file: `python -m benchmarks.sos_many`.

The command `latticework run sos-certify` on quadratics of two variables. The clock runs from the
start of the command to its end, Prefect, Ray, verification and report included, after a run of few
that compiles the kernels.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.calibration import calibrate

NUM_POLYNOMIALS = 10_000
BAR = 180.0
"""Most seconds on two cores."""


def quadratics(count: int, seed: int = 0) -> list[dict[str, str]]:
    """Records of a file: (a x + b y + c)² + d x² + e y² + f with small integers."""
    draw = random.Random(seed).randint
    records = []
    for k in range(count):
        a, b, c = (draw(-9, 9) for _ in range(3))
        text = f"({a}*x + {b}*y + {c})^2 + {draw(1, 9)}*x^2 + {draw(1, 9)}*y^2 + {draw(0, 9)}"
        records.append({"name": f"q{k:05d}", "text": text})
    return records


def seconds_of(count: int, folder: Path, address: str) -> float:
    """Wall seconds of the command on a file of so many."""
    file = folder / f"{count}.json"
    file.write_text(json.dumps({"polynomials": quadratics(count)}))
    command = [sys.executable, "-m", "flows.cli", "run", "sos-certify", "--address", address]
    start = time.perf_counter()
    subprocess.run(
        [*command, "--out", str(folder), "--set", f"polynomials={json.dumps([str(file)])}"],
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - start


def main() -> int:
    """Exit 1 if it takes longer than the bar."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=NUM_POLYNOMIALS)
    parser.add_argument("--address", default="local", help="local or serial")
    arguments = parser.parse_args()
    print(calibrate())
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name:
        few = seconds_of(10, Path(name), arguments.address)
        many = seconds_of(arguments.count, Path(name), arguments.address)
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    is_quick = many <= BAR
    print(f"10 quadratics {few:.0f} s, {arguments.count:,} quadratics {many:.0f} s", end="; ")
    print(f"largest process {largest:.2f} GiB  {'ok' if is_quick else 'BELOW THE GOAL'}")
    return 0 if is_quick else 1


if __name__ == "__main__":
    sys.exit(main())
