"""Compiled methods beside plain NumPy loops: `python -m benchmarks.adaptive_frank_wolfe`.

One thread.  Both run the same method on the same problem from the same start for as many steps, the
compiled one in one call; they take turns, so that a busy machine slows each, and the best turn
counts.  The plain loops are those of `gpu.constrained.reference`: products of NumPy arrays, and
vertices by `argmax`, `sign`, SciPy's `linear_sum_assignment` and a singular value decomposition.
Beside them copt's FW and CSFW ("SAG"), with its own oracle of nuclear balls and the plain ones of
others, if it is installed (`pip install copt==0.9.2 scikit-learn`; not a dependency).  On small
problems one of both is to be ten times slower, where that can be had (BLAS, LAPACK and exponentials
of whole passes are as fast from NumPy); none is to be faster.  Then projections beside
linear minimizations.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numba import njit
from scipy.optimize import linear_sum_assignment
from threadpoolctl import threadpool_limits

from benchmarks.calibration import calibrate
from benchmarks.turns import fastest
from gpu.constrained.oracles import minimize_linear
from gpu.constrained.projections import project
from gpu.constrained.reference import PLAIN_METHODS, gradient_of, slopes_of, value_of
from gpu.constrained.states import new_state
from gpu.constrained.steps import run_steps
from tasks.frankwolfe.adaptive.config import AdaptiveConfig
from tasks.frankwolfe.adaptive.methods import METHODS, kernel_method
from tasks.frankwolfe.adaptive.problems import Problem, problem_of

PROBLEMS = (
    "breast_cancer-logistic-l1",
    "diabetes-squares-linf",
    "digits-squared_hinge-l2",
    "tasks-squares-nuclear",
    "permuted-squares-birkhoff",
    "large-logistic-l1",
)
STEPS, FEW_STEPS = 400, 60
"""Of a turn; fewer with full gradients and on large problems."""
BATCH = 16
SMALL_BYTES = 1e6
BAR, LARGE_BAR = 10.0, 1.0
"""Least ratio of steps per second, below and above `SMALL_BYTES`: to the plain loop or to copt."""
SECONDS = 0.5
REPEATS = 20


def problem_named(name: str) -> Problem:
    """One of the study, or a large one."""
    config = AdaptiveConfig()
    if not name.startswith("large"):
        return problem_of(config, name)
    random = np.random.default_rng(0)
    rows = random.standard_normal((20_000, 200))
    targets = np.sign(rows @ random.standard_normal(200))
    return large_problem(rows, targets)


def large_problem(rows: np.ndarray, targets: np.ndarray) -> Problem:
    """Logistic regression of 32 MB over an l1 ball."""
    from gpu.constrained.sums import finite_sum

    small = problem_of(AdaptiveConfig(), "breast_cancer-logistic-l1")
    domain = small.domain._replace(rows=rows.shape[1], radius=5.0)
    start = np.zeros(rows.shape[1])
    start[0] = 5.0
    terms = finite_sum(rows, targets[:, None], "logistic")
    return Problem("large-logistic-l1", "large", "logistic", "l1", terms, domain, start, 1.0)


def vertex_of(problem: Problem) -> Callable[[np.ndarray], np.ndarray]:
    """Linear minimization as one writes it with NumPy and SciPy."""
    radius, shape = problem.domain.radius, (problem.domain.rows, problem.domain.columns)

    def l1(g: np.ndarray) -> np.ndarray:
        v = np.zeros(g.size)
        place = np.abs(g).argmax()
        v[place] = -radius if g[place] >= 0 else radius
        return v

    def nuclear(g: np.ndarray) -> np.ndarray:
        left, _, right = np.linalg.svd(g.reshape(shape), full_matrices=False)
        return (-radius * np.outer(left[:, 0], right[0])).ravel()

    def birkhoff(g: np.ndarray) -> np.ndarray:
        v = np.zeros(shape)
        v[linear_sum_assignment(g.reshape(shape))] = radius
        return v.ravel()

    def l2(g: np.ndarray) -> np.ndarray:
        return -radius / np.linalg.norm(g) * g

    def linf(g: np.ndarray) -> np.ndarray:
        return np.where(g < 0, radius, -radius)

    found = {"l1": l1, "l2": l2, "linf": linf, "nuclear": nuclear, "birkhoff": birkhoff}
    return found[problem.region]


def contestants(problem: Problem, method: str, steps: int) -> dict[str, Callable[[], Any]]:
    """The compiled loop and the plain one."""
    config = AdaptiveConfig(batch=BATCH)
    kernel = kernel_method(config, method, 1.0)

    def compiled() -> None:
        state = new_state(problem.start, problem.terms.targets.shape, 1)
        run_steps(problem.terms, problem.domain, kernel, state, 2**62, steps)

    arguments: tuple[Any, ...] = (problem.terms, vertex_of(problem), problem.start, steps)
    if METHODS[method].is_stochastic:
        arguments += (BATCH, np.random.default_rng(0))
    return {"compiled": compiled, "plain": partial(PLAIN_METHODS[method], *arguments)}


def of_copt(problem: Problem, method: str, steps: int) -> dict[str, Callable[[], Any]]:
    """The same by copt, where it has the method."""
    if importlib.util.find_spec("copt") is None:
        return {}
    library: Any = importlib.import_module("copt")
    terms, domain, vertex = problem.terms, problem.domain, vertex_of(problem)

    def towards(u: np.ndarray, x: np.ndarray, _: Any) -> tuple[np.ndarray, None, None, float]:
        return vertex(-u) - x, None, None, 1.0

    lmo = towards
    if problem.region == "nuclear":
        lmo = library.constraint.TraceBall(domain.radius, (domain.rows, domain.columns)).lmo

    def both(x: np.ndarray) -> tuple[float, np.ndarray]:
        return value_of(terms, x), gradient_of(terms, x)

    def slope(z: np.ndarray, y: np.ndarray) -> np.ndarray:
        return slopes_of(terms.loss, z, y)

    if method == "fw":
        settings: dict[str, Any] = {"jac": True, "step": "sublinear", "lipschitz": 1.0, "tol": 0}
        run = partial(library.minimize_frank_wolfe, both, problem.start, lmo, **settings)
        return {"copt": partial(run, max_iter=steps)}
    if method == "csfw" and terms.targets.shape[1] == 1 and not terms.places.size:
        passes = max(round(steps * BATCH / len(terms.targets)), 1)
        settings = {"variant": "SAG", "batch_size": BATCH, "max_iter": passes, "tol": 0}
        data = (terms.rows, terms.targets[:, 0], problem.start, lmo)
        return {"copt": partial(library.minimize_sfw, slope, *data, **settings)}
    return {}


def report_steps() -> bool:
    """Microseconds of a step, and ratios."""
    is_met = True
    for name in PROBLEMS:
        problem = problem_named(name)
        size = problem.num_bytes
        bar = BAR if size < SMALL_BYTES else LARGE_BAR
        print(f"\n{name}, {size / 1e6:.2f} MB, batches of {BATCH}")
        for method in PLAIN_METHODS:
            is_slow = not METHODS[method].is_stochastic or size > SMALL_BYTES
            steps = FEW_STEPS if is_slow else STEPS
            theirs = of_copt(problem, method, steps)
            found = fastest(contestants(problem, method, steps) | theirs, SECONDS)
            ratios = {who: found[who] / found["compiled"] for who in found if who != "compiled"}
            ratio = max(ratios.values()) if size < SMALL_BYTES else min(ratios.values())
            is_met &= ratio >= LARGE_BAR
            said = f"{1e6 * found['compiled'] / steps:9.2f} us"
            for who, times in ratios.items():
                said += f"  {who} {1e6 * found[who] / steps:9.1f} us {times:6.1f} x"
            print(f"  {METHODS[method].label:10} {said}  {verdict(ratio >= bar, bar)}")
    return is_met


@njit
def repeat_vertex(domain, g, x, count):
    """Calls without those of Python in between."""
    for _ in range(count):
        minimize_linear(domain, g, x)


@njit
def repeat_projection(domain, y, h, x, count):
    for _ in range(count):
        project(domain, y, h, x)


def report_oracles() -> None:
    """What a projection in a metric costs beside a linear minimization."""
    print("\nlinear minimization and projection in a metric with entries from 1 to 100")
    random = np.random.default_rng(0)
    for name in (*PROBLEMS[:5], "routes-squares-flow"):
        problem = problem_named(name)
        size = problem.start.size
        g, x = random.standard_normal(size), np.empty(size)
        h = random.permutation(np.geomspace(1, 100, size))
        y = problem.start + 0.1 * problem.domain.radius * random.standard_normal(size)
        calls = {
            "vertex": partial(repeat_vertex, problem.domain, g, x, REPEATS),
            "projection": partial(repeat_projection, problem.domain, y, h, x, REPEATS),
        }
        found = {who: took / REPEATS for who, took in fastest(calls, SECONDS).items()}
        ratio = found["projection"] / found["vertex"]
        each = ", ".join(f"{who} {1e6 * seconds:.1f} us" for who, seconds in found.items())
        print(f"  {name:30} {each}, {ratio:.1f} x")


def verdict(holds: bool, bar: float) -> str:
    """In words."""
    return f"(at least {bar:g}: {'ok' if holds else 'MISSED'})"


def main() -> int:
    """Exit 1 if something else is faster."""
    print(calibrate())
    with threadpool_limits(limits=1):
        is_met = report_steps()
        report_oracles()
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
