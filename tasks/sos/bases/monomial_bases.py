"""Monomial bases: which monomials the squares of a sum of squares may or should contain.

For p with support A and a finite set B of monomials write B + B for all sums of two of them.
p = z_B' Q z_B needs A ⊆ B + B: then B *covers* A. Without loss of generality B lies in the half
Newton polytope {b : 2b in conv A}, and a b in B may go if 2b is in no other way a sum of two
elements of B and not in A, because then Q_bb = 0: *diagonal consistency*.

References
----------
Reznick: Extremal psd forms with few terms, Duke Math. J. 45 (1978), theorem 1.
Löfberg: Pre- and post-processing sum-of-squares programs in practice, IEEE TAC 54 (2009).
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from math import comb

import numpy as np
from numpy.typing import ArrayLike

from tasks.lattice import sort_monomials
from tasks.lattice.monomials import Rows, as_rows, row_keys
from tasks.lattice.polytopes import half_newton_points
from tasks.records import InputError
from tasks.sos.bases._diagonal import DiagonalConsistency, diagonal_consistency
from tasks.sos.bases._repair import complete_repair

__all__ = [
    "DiagonalConsistency",
    "complete_repair",
    "covers",
    "diagonal_consistency",
    "even_sqrt_basis",
    "full_basis",
    "half_newton_basis",
]

_MAX_FULL_BASIS = 1_000_000
# Pairs whose sums are formed at once.
_BATCH = 1_000_000


def full_basis(num_variables: int, degree: int, *, min_degree: int = 0) -> Rows:
    """All monomials in n variables of degree between `min_degree` and `degree`.

    Raises
    ------
    InputError
        If a bound is negative or there are more than a million monomials.

    Examples
    --------
    >>> full_basis(2, 1).tolist()
    [[1, 0], [0, 1], [0, 0]]
    """
    if min(num_variables, degree, min_degree) < 0:
        raise InputError(
            f"a basis of degrees {min_degree} to {degree} in {num_variables} variables: "
            "give nonnegative numbers"
        )
    if (size := comb(num_variables + degree, degree)) > _MAX_FULL_BASIS:
        raise InputError(
            f"{size} monomials of degree at most {degree} in {num_variables} variables are more "
            f"than {_MAX_FULL_BASIS}: use the half Newton polytope"
        )
    # A monomial of degree at most d is a multiset of d out of the variables and 1.
    chosen = np.array(
        list(combinations_with_replacement(range(num_variables + 1), degree)), dtype=np.int32
    ).reshape(size, degree)
    counts = np.stack([(chosen == i).sum(axis=1) for i in range(num_variables + 1)], axis=1)
    monomials = counts[:, :num_variables]
    return sort_monomials(monomials[monomials.sum(axis=1) >= min_degree])


def half_newton_basis(support: ArrayLike) -> Rows:
    """All monomials b with 2b in the Newton polytope of the support.

    >>> half_newton_basis([[4, 2], [2, 4], [2, 2], [0, 0]]).tolist()
    [[2, 1], [1, 2], [1, 1], [0, 0]]
    """
    return half_newton_points(support).points


def even_sqrt_basis(support: ArrayLike) -> Rows:
    """All monomials whose doubles are in the support.

    >>> even_sqrt_basis([[4, 0], [1, 1], [0, 2]]).tolist()
    [[2, 0], [0, 1]]
    """
    rows = as_rows(support)
    return sort_monomials(rows[~(rows & 1).any(axis=1)] // 2)


def covers(basis: ArrayLike, support: ArrayLike) -> Rows:
    """The rows of the support that are not a sum of two elements of the basis; empty if it covers.

    >>> covers([[1, 0], [0, 1]], [[2, 0], [1, 1], [1, 0]]).tolist()
    [[1, 0]]
    """
    rows, terms = sort_monomials(basis), sort_monomials(support)
    is_covered = np.zeros(len(terms), dtype=bool)
    batch = max(_BATCH // max(len(rows), 1), 1)
    for start in range(0, len(rows), batch):
        sums = rows[start : start + batch, None, :] + rows[None, :, :]
        keys, found = row_keys(terms, sums.reshape(-1, terms.shape[1]))
        is_covered |= np.isin(keys, found)
    return terms[~is_covered]
