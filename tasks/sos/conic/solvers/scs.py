"""Adapter for SCS: operator splitting; its PSD order is the lower triangle column by column.

References
----------
O'Donoghue et al.: Conic optimization via operator splitting, arXiv:1312.3039.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from tasks.sos.conic._cone_program import ConicProgram, Floats, Indices, lower_triangle_order
from tasks.sos.conic.solvers._status import Answer, SolverChoice, SolverStatus, SolverUnavailable

MAX_ITERATIONS = 1_000_000
"""Time is the limit that counts."""

_STATUS = {
    1: SolverStatus.OPTIMAL,
    2: SolverStatus.INACCURATE,
    -1: SolverStatus.DUAL_INFEASIBLE,
    -2: SolverStatus.PRIMAL_INFEASIBLE,
    -6: SolverStatus.DUAL_INFEASIBLE,
    -7: SolverStatus.PRIMAL_INFEASIBLE,
}


def probe() -> None:
    """Raise `SolverUnavailable` if the package is missing."""
    try:
        import scs  # noqa: F401 - present or not
    except ImportError as error:
        raise SolverUnavailable(f"scs is not installed (pip install scs): {error}") from None


def solve(program: ConicProgram, choice: SolverChoice) -> Answer:
    """One solve; absolute and relative tolerance are the same."""
    import scs

    order = row_order(program)
    data = {"A": sparse.csc_matrix(program.A.tocsr()[order]), "b": program.b[order], "c": program.q}
    cone = {
        "z": program.num_zero,
        "l": program.num_nonnegative,
        "s": list(program.psd_sizes),
    }
    solver = scs.SCS(
        data,
        cone,
        eps_abs=choice.tolerance,
        eps_rel=choice.tolerance,
        max_iters=MAX_ITERATIONS,
        time_limit_secs=choice.seconds,
        verbose=False,
    )
    return _answer(solver.solve(), order)


def row_order(program: ConicProgram) -> Indices:
    """The program's row of every row in SCS order."""
    start = program.num_zero + program.num_nonnegative
    blocks = zip(program.psd_slices, program.psd_sizes, strict=True)
    parts = [rows.start + lower_triangle_order(m) for rows, m in blocks]
    return np.concatenate([np.arange(start), *parts])


def _answer(result: dict[str, Any], order: Indices) -> Answer:
    info = result["info"]
    text = str(info["status"])
    status = _STATUS.get(int(info["status_val"]), SolverStatus.FAILED)
    if "time_limit" in text:
        status = SolverStatus.TIME_LIMIT
    elif "max_iters" in text:
        status = SolverStatus.ITERATION_LIMIT
    x, s, y = (np.asarray(result[name], dtype=np.float64) for name in "xsy")
    message = "" if status is SolverStatus.OPTIMAL else f"scs: {text}"
    return Answer(status, x, _restored(s, order), _restored(y, order), int(info["iter"]), message)


def _restored(vector: Floats, order: Indices) -> Floats:
    restored = np.empty_like(vector)
    restored[order] = vector
    return restored
