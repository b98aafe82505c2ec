"""Conic programs of Gram problems, built directly as sparse matrices.

A Gram problem asks for symmetric Q_1, ..., Q_B and free f with M(Q, f) = c, one equation per
monomial (`LinearMap`). The *kernel form* keeps the entries of Q as variables. It has one of three
objectives:

* feasibility: Q PSD;
* max_t: max t subject to Q - t I PSD, t <= t_max; t > 0 is strict feasibility;
* max_gamma: max γ subject to Q PSD, where γ is taken off the coefficient of the monomial 1.

The dual variables are a functional L on the monomials, with PSD moment matrices. Its normalization
is tr M(L) = 1 for max_t below t_max and L(1) = 1 for max_gamma; then L(p) is the optimum. L(p) < 0
separates p from the cone of sums of squares.

References
----------
Lasserre, SIAM J. Optim. 11 (2001); Parrilo, Math. Program. 96 (2003).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from scipy import sparse

from tasks.records import InputError
from tasks.sos.conic._cone_program import (
    SQRT2,
    ConicProgram,
    Floats,
    Indices,
    smat,
    svec,
    svec_indices,
    svec_length,
)
from tasks.sos.conic._linear_map import GramStructure, LinearMap

__all__ = [
    "ConicProgram",
    "GramSolution",
    "KernelForm",
    "LinearMap",
    "Objective",
    "kernel_form",
    "smat",
    "svec",
    "svec_indices",
]

Objective = Literal["max_t", "max_gamma", "feasibility"]


class _Point(Protocol):
    @property
    def x(self) -> Floats: ...
    @property
    def y(self) -> Floats: ...


@dataclass(frozen=True, eq=False)
class GramSolution:
    """A solver's point in terms of the Gram problem.

    Attributes
    ----------
    grams
        Symmetric float64 (m_b, m_b) per block; empty if the solver gave no primal point.
    moments
        L on the S monomials, oriented so that its moment matrices are PSD; empty if unknown.
    value
        t or γ; 0 for feasibility, NaN without a point.
    free
        The F free variables.
    """

    grams: tuple[Floats, ...]
    moments: Floats
    value: float
    free: Floats


@dataclass(frozen=True, eq=False)
class KernelForm:
    """Kernel form; x = (svec of P_b = Q_b - t I for every block, the free f, t or γ if any)."""

    program: ConicProgram
    map: LinearMap
    objective: Objective

    def recover(self, solution: _Point) -> GramSolution:
        """Gram matrices, moments and t or γ of a solution of `program`."""
        moments = solution.y[: self.program.num_zero]
        if len(solution.x) != len(self.program.q):
            return _without_point(moments)
        value = 0.0 if self.objective == "feasibility" else float(solution.x[-1])
        shift = value if self.objective == "max_t" else 0.0
        end = self.map.num_entries
        upper = solution.x[:end] / _scale(self.map)
        free = solution.x[end : end + self.map.num_free]
        return GramSolution(_matrices(upper, self.map.sizes, shift), moments, value, free)


def kernel_form(
    problem: LinearMap | GramStructure,
    coefficients: Floats,
    *,
    objective: Objective = "max_t",
    t_max: float = 1.0,
) -> KernelForm:
    """Conic program with the entries of Q as variables: S equations; O(nonzeros of M).

    Raises
    ------
    InputError
        If the number of coefficients is not S, or max_gamma lacks the monomial 1.
    """
    mapping = _checked(problem, coefficients, objective)
    num_entries, num_columns = mapping.num_entries, mapping.matrix.shape[1]
    scale = np.concatenate([1.0 / _scale(mapping), np.ones(mapping.num_free)])
    equations = mapping.matrix @ sparse.diags_array(scale)
    extra = _level_column(mapping, objective)
    num_bounds = int(objective == "max_t")
    rows = _cone_rows(mapping.sizes, num_bounds)
    shape = (num_bounds + num_entries, num_columns)
    cone = sparse.csc_array((-np.ones(num_entries), (rows, np.arange(num_entries))), shape=shape)
    # Row 0 of the cone is t_max - t >= 0 if there is a bound.
    last = (shape[0], extra.shape[1])
    level = sparse.eye_array(*last) if num_bounds else sparse.csc_array(last)
    program = _program(
        sparse.block_array([[equations, extra], [cone, level]], format="csc"),
        np.concatenate([coefficients, np.full(num_bounds, t_max), np.zeros(num_entries)]),
        objective,
        len(coefficients),
        mapping.sizes,
    )
    return KernelForm(program, mapping, objective)


def _checked(
    problem: LinearMap | GramStructure, coefficients: Floats, objective: Objective
) -> LinearMap:
    mapping = LinearMap.of(problem)
    if objective not in ("max_t", "max_gamma", "feasibility"):
        raise InputError(f"objective must be max_t, max_gamma or feasibility; got {objective!r}")
    if coefficients.shape != (mapping.matrix.shape[0],):
        raise InputError(
            f"{mapping.matrix.shape[0]} monomials need as many coefficients; "
            f"got an array {coefficients.shape}"
        )
    if objective == "max_gamma" and mapping.constant is None:
        raise InputError("max_gamma needs the monomial 1 among the monomials; add 1 to a basis")
    return mapping


def _program(
    matrix: Any, b: Floats, objective: Objective, num_zero: int, sizes: tuple[int, ...]
) -> ConicProgram:
    """Blocks of size 1 are nonnegative numbers: cheaper for every solver."""
    q = np.zeros(matrix.shape[1])
    if objective != "feasibility":
        q[-1] = -1.0
    num_nonnegative = int(objective == "max_t") + sum(m == 1 for m in sizes)
    return ConicProgram(matrix, b, q, num_zero, num_nonnegative, tuple(m for m in sizes if m > 1))


def _level_column(mapping: LinearMap, objective: Objective) -> Any:
    """What t adds to the equations if Q = P + t I, or γ; csc (S, 0 or 1)."""
    num_monomials = mapping.matrix.shape[0]
    if objective == "feasibility":
        return sparse.csc_array((num_monomials, 0))
    if objective == "max_t":
        ones = np.concatenate([mapping.is_diagonal, np.zeros(mapping.num_free, dtype=bool)])
        return sparse.csc_array((mapping.matrix @ ones.astype(np.float64))[:, None])
    column = np.zeros((num_monomials, 1))
    column[mapping.constant] = 1.0
    return sparse.csc_array(column)


def _scale(mapping: LinearMap) -> Floats:
    """Factors that turn entries into svec, (E,)."""
    return np.where(mapping.is_diagonal, 1.0, SQRT2)


def _cone_rows(sizes: Sequence[int], start: int) -> Indices:
    """Cone row of every entry: blocks of size 1 come first, the others after them in order."""
    lengths = np.array([svec_length(m) for m in sizes], dtype=np.int64)
    single = np.array([m == 1 for m in sizes], dtype=bool)
    order = np.concatenate([np.flatnonzero(single), np.flatnonzero(~single)])
    first = np.zeros(len(sizes), dtype=np.int64)
    first[order] = start + np.concatenate([[0], np.cumsum(lengths[order])])[: len(sizes)]
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(first, lengths) + within


def _matrices(upper: Floats, sizes: Sequence[int], shift: float = 0.0) -> tuple[Floats, ...]:
    """Symmetric matrices of unscaled entries, plus shift on the diagonals."""
    matrices, start = [], 0
    for m in sizes:
        i, j = svec_indices(m)
        matrix = np.empty((m, m))
        matrix[i, j] = matrix[j, i] = upper[start : start + len(i)]
        matrices.append(matrix + shift * np.eye(m))
        start += len(i)
    return tuple(matrices)


def _without_point(moments: Floats) -> GramSolution:
    return GramSolution((), moments, float("nan"), np.zeros(0))
