"""Residuals of conic solutions, recomputed here because no solver is trusted.

Errors are relative: those of A x + s = b to 1 + max(|b|, |A x|, |s|), those of A'y + q = 0 to
1 + max(|q|, |A'y|), distances from a cone to 1 + |s| or 1 + |y|, the gap q'x + b'y to
1 + |q'x| + |b'y|; all norms are maxima.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tasks.sos.conic._cone_program import ConicProgram, Floats, smat
from tasks.sos.conic.solvers._status import Answer, ConicSolution, SolverStatus

SLACK = 10.0
"""Solvers measure residuals in norms of their own, after scaling: this factor is theirs."""
LOOSE = 1e-4
"""Above this error a point does not count as a solution."""

_CLAIMS = (SolverStatus.OPTIMAL, SolverStatus.INACCURATE)
_STOPPED = (SolverStatus.ITERATION_LIMIT, SolverStatus.TIME_LIMIT, SolverStatus.FAILED)


def checked(program: ConicProgram, answer: Answer, tolerance: float) -> Answer:
    """The answer with the status that its vectors deserve.

    A point, claimed or left by a solver that stopped early, is OPTIMAL up to `SLACK` times the
    tolerance and INACCURATE up to `LOOSE`; beyond, a claim is WRONG and a stop stays what it was.
    Infeasibility needs its certificate, else it is WRONG.
    """
    match answer.status:
        case SolverStatus.PRIMAL_INFEASIBLE:
            return _checked_certificate(answer, primal_infeasibility_error(program, answer.y))
        case SolverStatus.DUAL_INFEASIBLE:
            error = dual_infeasibility_error(program, answer.x, answer.s)
            return _checked_certificate(answer, error)
        case status if status in _CLAIMS + _STOPPED:
            return _checked_point(answer, point_error(program, answer), tolerance)
    return answer


def point_error(program: ConicProgram, answer: Answer | ConicSolution) -> float:
    """Largest relative error of a primal-dual point; inf if it has the wrong shape or NaNs."""
    x, s, y = answer.x, answer.s, answer.y
    if not fits(x, program.q) or not fits(s, program.b) or not fits(y, program.b):
        return float("inf")
    ax, aty = program.A @ x, program.A.T @ y
    primal, dual = float(program.q @ x), -float(program.b @ y)
    errors = (
        _largest(ax + s - program.b) / (1 + max(map(_largest, (program.b, ax, s)))),
        _largest(aty + program.q) / (1 + max(map(_largest, (program.q, aty)))),
        cone_distance(program, s, is_dual=False) / (1 + _largest(s)),
        cone_distance(program, y, is_dual=True) / (1 + _largest(y)),
        abs(primal - dual) / (1 + abs(primal) + abs(dual)),
    )
    return max(errors)


def primal_infeasibility_error(program: ConicProgram, y: Floats) -> float:
    """Error of A'y = 0, y in K*, relative to |y|, over the relative size of -b'y > 0; else inf."""
    if not fits(y, program.b) or not (gain := -float(program.b @ y)) > 0:
        return float("inf")
    error = max(_largest(program.A.T @ y), cone_distance(program, y, is_dual=True))
    return error * (1 + _largest(program.b)) / gain


def dual_infeasibility_error(program: ConicProgram, x: Floats, s: Floats) -> float:
    """Error of A x + s = 0, s in K, over the relative size of -q'x > 0; else inf."""
    if not fits(x, program.q) or not fits(s, program.b) or not (gain := -float(program.q @ x)) > 0:
        return float("inf")
    error = max(_largest(program.A @ x + s), cone_distance(program, s, is_dual=False))
    return error * (1 + _largest(program.q)) / gain


def cone_distance(program: ConicProgram, vector: Floats, *, is_dual: bool) -> float:
    """Largest violation of the cone K or K*: absolute value, negative part, -λ_min."""
    zero, end = program.num_zero, program.num_zero + program.num_nonnegative
    fixed = 0.0 if is_dual else _largest(vector[:zero])
    worst = [fixed, -float(np.min(vector[zero:end], initial=0.0))]
    for rows in program.psd_slices:
        worst.append(-float(np.linalg.eigvalsh(smat(vector[rows]))[0]))
    return max(0.0, *worst)


def fits(vector: Floats, like: Floats) -> bool:
    """Whether a vector has the shape of another and is finite."""
    return vector.shape == like.shape and bool(np.isfinite(vector).all())


def _checked_point(answer: Answer, error: float, tolerance: float) -> Answer:
    if error <= SLACK * tolerance:
        return replace(answer, status=SolverStatus.OPTIMAL)
    if error <= LOOSE:
        finding = f"the relative error is {error:.1e}, tolerance {tolerance:.1e}"
        message = f"{finding}; {answer.message}" if answer.message else finding
        return replace(answer, status=SolverStatus.INACCURATE, message=message)
    if answer.status in _CLAIMS:
        return _wrong(answer, f"its point has the relative error {error:.1e}")
    return answer


def _checked_certificate(answer: Answer, error: float) -> Answer:
    if error <= LOOSE:
        return answer
    return _wrong(answer, f"its certificate has the relative error {error:.1e}")


def _wrong(answer: Answer, finding: str) -> Answer:
    message = f"claimed {answer.status.value}, but {finding}"
    return replace(answer, status=SolverStatus.WRONG, message=message)


def _largest(vector: Floats) -> float:
    return float(np.max(np.abs(vector), initial=0.0))
