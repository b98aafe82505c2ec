"""Conic solvers behind one call, one vocabulary of outcomes and limits that hold.

>>> import numpy as np
>>> from tasks.sos.conic.forms import kernel_form, LinearMap
>>> rows = np.array([[0, 1], [1, 2]])  # x^2 + 2 x y + 3 y^2 in the basis (x, y)
>>> form = kernel_form(LinearMap.from_terms([[(1.0, rows)]], 3), np.array([1.0, 2.0, 3.0]))
>>> solution = solve(form.program, SolverChoice(isolated=False))
>>> solution.status.value, round(form.recover(solution).value, 6)
('optimal', 0.585786)
"""

from tasks.sos.conic.solvers._checks import point_error
from tasks.sos.conic.solvers._solve import solve, unavailability
from tasks.sos.conic.solvers._status import (
    DEFAULT_SOLVER,
    SOLVERS,
    ConicSolution,
    SolverChoice,
    SolverStatus,
)

__all__ = [
    "DEFAULT_SOLVER",
    "SOLVERS",
    "ConicSolution",
    "SolverChoice",
    "SolverStatus",
    "point_error",
    "solve",
    "unavailability",
]
