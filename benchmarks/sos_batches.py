"""Many small Gram problems: the batched method beside a loop of conic solves, in one run.

Planted full-rank sums of squares with bases of at most 32 monomials; CPU seconds of one core.  Both
sides start at the same Gram problems and end at matrices that pass the same test, that of
`gpu.gram_batches`.  The loop builds every kernel form directly as a sparse matrix and solves it by
SCS as a feasibility problem, its fastest objective, at tolerance 1e-6; for comparison also at 1e-4.
The ratio counts building and solving; that of solving alone stands beside it.  The sides are taken
in turns; every figure is the best of its turns.

BLAS must run in one thread (OPENBLAS_NUM_THREADS=1), or SCS spends CPU seconds on waiting.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import numpy as np
import scs
from scipy import sparse

from benchmarks.calibration import calibrate
from tasks.records.seeds import stream
from tasks.sos.conic.forms import ConicProgram, kernel_form, smat
from tasks.sos.conic.solvers.scs import row_order
from tasks.sos.gram.batches import certify_batch
from tasks.sos.gram.problem import GramProblem
from tasks.sos.sampling.planted import planted

CELLS = ((4, 6, 16), (4, 6, 20), (2, 20, 24), (6, 12, 24), (6, 12, 30), (8, 20, 30))
"""Variables, degree, size."""
MAX_SIZE = 32
NUM_BATCHED, NUM_LOOPED, TURNS = 1024, 16, 3
MAX_SCS_ITERATIONS = 10_000
GOAL = 20.0
"""Least ratio of the rates."""


@dataclass(frozen=True)
class Loop:
    """CPU seconds per problem of building and of solving, and the share that was certified."""

    building: float
    solving: float
    share: float


def problems(cell: tuple[int, int, int]) -> list[GramProblem]:
    """Planted problems of one cell; what both sides are given is computed beforehand."""
    rng, chosen = stream(0, "benchmark", *cell), []
    while len(chosen) < NUM_BATCHED:
        item = planted(*cell, "dense", rng)
        if len(item.basis) <= MAX_SIZE:
            problem = GramProblem.of(item.polynomial, (item.basis,))
            assert len(problem.target) == len(problem.class_sizes)
            chosen.append(problem)
    return chosen


def scs_point(program: ConicProgram, order: np.ndarray, tolerance: float) -> np.ndarray:
    """The variables at the end of one solve."""
    data = {"A": sparse.csc_matrix(program.A.tocsr()[order]), "b": program.b[order], "c": program.q}
    cone = {"z": program.num_zero, "l": program.num_nonnegative, "s": list(program.psd_sizes)}
    limits = {"eps_abs": tolerance, "eps_rel": tolerance, "max_iters": MAX_SCS_ITERATIONS}
    return scs.SCS(data, cone, verbose=False, **limits).solve()["x"]


def loop(chosen: list[GramProblem], tolerance: float) -> Loop:
    """Build and solve the kernel forms one by one."""
    start = time.process_time()
    programs = [kernel_form(p, p.target, objective="feasibility").program for p in chosen]
    orders = [row_order(program) for program in programs]
    built = time.process_time()
    points = [scs_point(*pair, tolerance) for pair in zip(programs, orders, strict=True)]
    solved = time.process_time()
    num = len(chosen)
    passed = sum(passes(p, smat(x)) for p, x in zip(chosen, points, strict=True))
    return Loop((built - start) / num, (solved - built) / num, passed / num)


def passes(problem: GramProblem, point: np.ndarray) -> bool:
    """The certificate of the batched method, for the matrix projected onto the equations."""
    (gram,) = problem.projected((point,))
    missing = np.abs(problem.target - problem.class_sums((gram,))) / problem.class_sizes
    size = len(gram)
    shift = size * (missing.max() + 4 * (size + 3) * 2.0**-53 * np.abs(gram).max())
    return bool(np.linalg.eigvalsh(gram)[0] > shift)


def batch_seconds(chosen: list[GramProblem]) -> float:
    """CPU seconds per problem of the batched method."""
    start = time.process_time()
    certify_batch(chosen, device="cpu")
    return (time.process_time() - start) / len(chosen)


def measure(cell: tuple[int, int, int]) -> float:
    """Print the figures of one cell; return the ratio of the rates."""
    chosen = problems(cell)
    items = certify_batch(chosen, device="cpu")
    spent = [item.iterations for item in items if item.certified]
    batched: list[float] = []
    loops: dict[float, list[Loop]] = {1e-6: [], 1e-4: []}
    for _ in range(TURNS):
        batched.append(batch_seconds(chosen))
        for tolerance, runs in loops.items():
            runs.append(loop(chosen[:NUM_LOOPED], tolerance))
    seconds = min(batched)
    sizes = [problem.sizes[0] for problem in chosen]
    print(
        f"{cell}: sizes {min(sizes)}..{max(sizes)}, "
        f"{np.mean([problem.num_free for problem in chosen]):.0f} free dimensions on average\n"
        f"  batched      {1 / seconds:7.0f}/s, certified {len(spent) / len(items):.1%}, "
        f"eigendecompositions {np.mean(spent):.2f} on average, {max(spent)} at most"
    )
    for tolerance, runs in loops.items():
        solving = min(run.solving for run in runs)
        total = solving + min(run.building for run in runs)
        print(
            f"  SCS at {tolerance:.0e} {1 / total:7.1f}/s, certified {runs[0].share:.1%}, "
            f"ratio {total / seconds:.0f}, of solving alone {solving / seconds:.0f}"
        )
    return min(run.building + run.solving for run in loops[1e-6]) / seconds


def main() -> int:
    """Run everything; exit 1 if the goal is missed."""
    print(calibrate())
    ratios = [measure(cell) for cell in CELLS]
    verdict = "ok" if min(ratios) >= GOAL else "BELOW THE GOAL"
    print(f"ratio at tolerance 1e-6: {min(ratios):.0f} at least, goal {GOAL:.0f}  {verdict}")
    return 0 if min(ratios) >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
