"""The dual pair of SDPA, solved by another route, for stand-ins of solvers that are not here.

(P) min c'w subject to Σ F_i w_i - F_0 PSD, from dense blocks F[0..k] of shape (k + 1, m, m).
"""

import numpy as np
from scipy import sparse

from tasks.sos.conic.forms import ConicProgram, svec
from tasks.sos.conic.solvers import SolverStatus, solve


def solve_pair(c, diagonal, blocks):
    """Status, w and X as (diagonal, blocks); diagonal is (k + 1, size), a block (k + 1, m, m).

    Infeasible statuses are those of (P), and come with its ray w or the ray X of (D).
    """
    cones = [diagonal, *(np.array([svec(matrix) for matrix in block]) for block in blocks)]
    stacked = np.concatenate(cones, axis=1)
    sizes = tuple(block.shape[1] for block in blocks)
    program = ConicProgram(
        sparse.csc_array(-stacked[1:].T), -stacked[0], np.asarray(c), 0, diagonal.shape[1], sizes
    )
    solution = solve(program, isolated=False)
    y = solution.y if len(solution.y) else np.zeros(len(program.b))
    w = solution.x if len(solution.x) else np.zeros(len(c))
    return solution.status, w, y


CSDP_CODES = {
    SolverStatus.OPTIMAL: 0,
    SolverStatus.DUAL_INFEASIBLE: 1,  # CSDP's primal problem is (D)
    SolverStatus.PRIMAL_INFEASIBLE: 2,
    SolverStatus.INACCURATE: 3,
}
