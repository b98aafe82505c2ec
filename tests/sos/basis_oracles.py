"""What theory says of expansions and scalings, to compare with what they do."""

from math import log2

import numpy as np
from scipy.optimize import linprog

from tasks.sos.bases.expansion import GROWTH


def most_bases(first, last, growth=GROWTH):
    """1 + ceil(log_growth(last / first)), the most bases that an expansion tries.

    >>> most_bases(10, 100)
    7
    """
    number, size = 1, float(first)
    while size < last:
        number, size = number + 1, growth * size
    return number


def cost_bound(omega, growth=GROWTH):
    """Most that all bases cost together, as a multiple of the last, if one costs m^omega."""
    return 1.0 + 1.0 / (1.0 - growth**-omega)


def spread(p):
    """Range of log2 |c|; 0 for p = 0."""
    return 0.0 if p.is_zero else float(np.ptp(_logarithms(p)))


def minimal_spread(p):
    """The least spread that real scalings of the variables can reach: a linear program."""
    if p.is_zero:
        return 0.0
    logarithms, n = _logarithms(p), p.num_variables
    table = np.column_stack([p.exponents, np.ones(p.num_terms)])
    one_sided = -np.ones((len(table), 1))
    found = linprog(
        np.append(np.zeros(n + 1), 2.0),
        A_ub=np.block([[table, one_sided], [-table, one_sided]]),
        b_ub=np.concatenate([-logarithms, logarithms]),
        bounds=[(None, None)] * (n + 2),
    )
    return float(found.fun)


def _logarithms(p):
    return np.array([log2(abs(int(c.p))) - log2(int(c.q)) for c in p.coefficients])
