"""Adapter for SDPA through its package sdpa-python (GPL): a primal-dual interior-point method.

References
----------
Yamashita et al.: Latest developments in the SDPA family, Springer 2012.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from scipy import sparse

from tasks.sos.conic._cone_program import SQRT2, ConicProgram, Floats, svec_indices
from tasks.sos.conic.solvers._checks import (
    LOOSE,
    dual_infeasibility_error,
    primal_infeasibility_error,
)
from tasks.sos.conic.solvers._sdpa_form import SdpaPair, sdpa_pair
from tasks.sos.conic.solvers._status import Answer, Limits, SolverStatus, SolverUnavailable

_STATUS = {
    "pdOPT": SolverStatus.OPTIMAL,
    "pdFEAS": SolverStatus.INACCURATE,
    "noINFO": SolverStatus.ITERATION_LIMIT,
}
"""Its infeasible phases claim no certificate, but its diverging point may be one."""


def probe() -> None:
    """Raise `SolverUnavailable` if the package is missing."""
    _package()


def solve(program: ConicProgram, limits: Limits) -> Answer:
    """One solve on one thread; SDPA has no time limit of its own."""
    sdpap = _package()
    pair = sdpa_pair(program)
    widen = _to_full(pair)
    cone = sdpap.SymCone(l=pair.num_diagonal, s=pair.psd_sizes)
    options = {
        "print": "no",
        "numThreads": 1,
        "epsilonStar": limits.tolerance,
        "epsilonDash": limits.tolerance,
    }
    w, X, info, *_ = sdpap.solve(
        sparse.csc_matrix(widen @ pair.F),
        sparse.csc_matrix((widen @ pair.F0)[:, None]),
        sparse.csc_matrix(pair.c[:, None]),
        sdpap.SymCone(f=len(pair.c)),
        cone,
        options,
    )
    phase = str(info["phasevalue"])
    # The transpose of `widen` is its inverse on symmetric matrices.
    point = _column(w), widen.T @ _column(X)
    message = "" if phase == "pdOPT" else f"sdpa: {phase}"
    status = _STATUS.get(phase) or _proved(program, pair, point)
    return pair.answer(*point, status=status, message=message)


def _proved(program: ConicProgram, pair: SdpaPair, point: tuple[Floats, Floats]) -> SolverStatus:
    """Which infeasibility the point certifies; FAILED if none."""
    ray = pair.answer(*point, status=SolverStatus.PRIMAL_INFEASIBLE, message="")
    if primal_infeasibility_error(program, ray.y) <= LOOSE:
        return SolverStatus.PRIMAL_INFEASIBLE
    if dual_infeasibility_error(program, ray.x, ray.s) <= LOOSE:
        return SolverStatus.DUAL_INFEASIBLE
    return SolverStatus.FAILED


def _package() -> Any:
    try:
        return import_module("sdpap")
    except ImportError as error:
        message = f"sdpa-python is not installed (pip install sdpa-python): {error}"
        raise SolverUnavailable(message) from None


def _column(vector: Any) -> Floats:
    dense = vector.toarray() if sparse.issparse(vector) else np.asarray(vector)
    return dense.astype(np.float64).ravel()


def _to_full(pair: SdpaPair) -> Any:
    """Isometry from (diagonal, svec) columns to SDPA's, with full matrices (m²,)."""
    blocks = [sparse.eye_array(pair.num_diagonal)] if pair.num_diagonal else []
    for m in pair.psd_sizes:
        i, j = svec_indices(m)
        entries = np.arange(len(i))
        off = i != j
        rows = np.concatenate([i + m * j, (j + m * i)[off]])
        columns = np.concatenate([entries, entries[off]])
        values = np.concatenate([np.where(off, 1 / SQRT2, 1.0), np.full(off.sum(), 1 / SQRT2)])
        blocks.append(sparse.csc_array((values, (rows, columns)), shape=(m * m, len(i))))
    return sparse.block_diag(blocks, format="csc")
