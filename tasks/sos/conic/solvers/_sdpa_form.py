"""The dual pair that SDPA and CSDP solve, and its file format.

    (P)  min c'w  subject to  Z = Σ_i F_i w_i - F_0 PSD
    (D)  max tr(F_0 X)  subject to  tr(F_i X) = c_i, X PSD

with block-diagonal matrices, one diagonal block first. There are no free variables in (D) and no
equations in (P). A conic program is read in one of two ways:

* as (D), if it has equations and every variable is free or is the only one of a single cone row, as
  in the kernel form: X is the slack s; a free variable is a difference of two nonnegative ones;
* else as (P), as in the image form: w is x; an equation is two inequalities, which leaves (P)
  without interior: correct, but slow and inaccurate.

References
----------
SDPA sparse format: Fujisawa et al., SDPA user's manual 7, section 6; SDPLIB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from tasks.sos.conic._cone_program import SQRT2, ConicProgram, Floats, Indices, svec_indices
from tasks.sos.conic.solvers._status import Answer, SolverStatus


@dataclass(frozen=True, eq=False)
class SdpaPair:
    """(P) and (D) of a conic program.

    Attributes
    ----------
    c
        Float64 (k,).
    F
        Csc (num_diagonal + Σ m(m+1)/2, k): columns are the diagonal and svec parts of F_i.
    F0
        Float64, a column like those of F.
    num_diagonal, psd_sizes
        Sizes of the blocks.
    is_dual
        Whether the conic program was read as (D).
    to_program
        (w, X, Z, is_ray) -> x, s, y of the conic program; X and Z are columns like F0. Of a ray the
        constants b and q are dropped.
    """

    c: Floats
    F: Any
    F0: Floats
    num_diagonal: int
    psd_sizes: tuple[int, ...]
    is_dual: bool
    to_program: Callable[[Floats, Floats, Floats, bool], tuple[Floats, Floats, Floats]]

    def answer(self, w: Floats, X: Floats, *, status: SolverStatus, message: str) -> Answer:
        """Answer in terms of the conic program; status is in its terms, too."""
        is_ray = status in (SolverStatus.PRIMAL_INFEASIBLE, SolverStatus.DUAL_INFEASIBLE)
        Z = self.F @ w - (0.0 if is_ray else self.F0)
        x, s, y = self.to_program(w, X, Z, is_ray)
        return Answer(status, x, s, y, message=message)


def sdpa_pair(program: ConicProgram) -> SdpaPair:
    """The pair of a conic program."""
    zero = program.num_zero
    cone = program.A.tocsr()[zero:]
    per_row, per_column = np.diff(cone.indptr), np.diff(cone.tocsc().indptr)
    is_direct = np.all(per_row == 1) and np.all(per_column <= 1)
    return _as_dual(program) if zero and is_direct else _as_primal(program)


def _as_dual(program: ConicProgram) -> SdpaPair:
    """Variable j is (b_r - s_r) / a_r for its cone row r, or free."""
    zero = program.num_zero
    equations, cone = program.A.tocsc()[:zero], program.A.tocsr()[zero:]
    column, factor, offset = cone.indices, cone.data, program.b[zero:]
    free = np.setdiff1d(np.arange(len(program.q)), column)
    direct = -(equations[:, column] @ sparse.diags_array(1 / factor))
    split = equations[:, free]
    num_free, num_direct = len(free), len(column)
    rows = sparse.hstack([split, -split, direct], format="csr")
    cost = program.q[free]

    def to_program(w: Floats, X: Floats, Z: Floats, is_ray: bool) -> tuple[Floats, Floats, Floats]:
        x = np.empty(len(program.q))
        x[free] = X[:num_free] - X[num_free : 2 * num_free]
        slack = X[2 * num_free :]
        x[column] = (-slack if is_ray else offset - slack) / factor
        return x, np.concatenate([np.zeros(zero), slack]), np.concatenate([w, Z[2 * num_free :]])

    return SdpaPair(
        program.b[:zero] + direct @ offset,
        rows.T.tocsc(),
        np.concatenate([-cost, cost, program.q[column] / factor]),
        2 * num_free + num_direct - _num_psd_rows(program),
        program.psd_sizes,
        True,
        to_program,
    )


def _as_primal(program: ConicProgram) -> SdpaPair:
    zero = program.num_zero
    equations, cone = program.A.tocsr()[:zero], program.A.tocsr()[zero:]

    def to_program(w: Floats, X: Floats, Z: Floats, is_ray: bool) -> tuple[Floats, Floats, Floats]:
        s = np.concatenate([np.zeros(zero), Z[2 * zero :]])
        return w, s, np.concatenate([X[:zero] - X[zero : 2 * zero], X[2 * zero :]])

    b = program.b
    return SdpaPair(
        program.q,
        sparse.vstack([-equations, equations, -cone], format="csc"),
        np.concatenate([-b[:zero], b[:zero], -b[zero:]]),
        2 * zero + program.num_nonnegative,
        program.psd_sizes,
        False,
        to_program,
    )


def _num_psd_rows(program: ConicProgram) -> int:
    return len(program.b) - program.num_zero - program.num_nonnegative


def entry_places(pair: SdpaPair) -> tuple[Indices, Indices, Indices, Floats]:
    """Block, row and column (all from 1) of every element of a column of F, and its scale."""
    blocks = [(pair.num_diagonal, *[np.arange(pair.num_diagonal)] * 2)] if pair.num_diagonal else []
    blocks += [(m, *svec_indices(m)) for m in pair.psd_sizes]
    numbers = np.repeat(np.arange(1, len(blocks) + 1), [len(i) for _, i, _ in blocks])
    i = np.concatenate([np.zeros(0, dtype=np.int64), *(i for _, i, _ in blocks)])
    j = np.concatenate([np.zeros(0, dtype=np.int64), *(j for _, _, j in blocks)])
    return numbers, i + 1, j + 1, np.where(i == j, 1.0, SQRT2)


def sdpa_text(pair: SdpaPair) -> str:
    """The pair in the SDPA sparse format, with 17 significant digits."""
    blocks = [-pair.num_diagonal] if pair.num_diagonal else []
    sizes = [*blocks, *pair.psd_sizes]
    number, i, j, scale = entry_places(pair)
    data: Any = sparse.hstack([sparse.csc_array(pair.F0[:, None]), pair.F], format="csc")
    data.eliminate_zeros()
    matrix = np.repeat(np.arange(data.shape[1]), np.diff(data.indptr))
    at = data.indices
    values = data.data / scale[at]
    lines = [
        str(len(pair.c)),
        str(len(sizes)),
        " ".join(map(str, sizes)),
        " ".join(f"{value:.17g}" for value in pair.c),
    ]
    entries = zip(matrix, number[at], i[at], j[at], values, strict=True)
    lines += [f"{k} {n} {row} {column} {value:.17g}" for k, n, row, column, value in entries]
    return "\n".join(lines) + "\n"
