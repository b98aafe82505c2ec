"""A small conic program with a known optimum, and what makes the rigged solver misbehave on it."""

import numpy as np
from rigged_solver import RiggedProgram

from tasks.sos.conic.forms import LinearMap, kernel_form

SQUARES = np.array([[0, 1], [1, 2]])  # x², xy, y² in the basis (x, y)
QUADRATIC = np.array([1.0, 2.0, 3.0])
FORM = kernel_form(LinearMap.from_terms([[(1.0, SQUARES)]], 3), QUADRATIC)
LEAST_EIGENVALUE = float(np.linalg.eigvalsh([[1, 1], [1, 3]])[0])


def rigged(behavior):
    return RiggedProgram.of(FORM.program, behavior)
