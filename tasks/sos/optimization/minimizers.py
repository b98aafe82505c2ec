"""Minimizers of a polynomial, extracted from the moments of a relaxation.

Let M_k = (L(x^(a + b))) over |a|, |b| <= k for an optimal functional L of a relaxation.  If

    rank M_s = rank M_(s - r),    r = max(1, half of the largest degree of a constraint),

the moments are *flat*: L restricted to degree 2s is a mixture of evaluations at rank M_s points,
all of them minimizers, and the bound is the minimum.  With M_s = VV' and r rows w of V, of degree
at most s - r, that are a basis of the rows, the matrices N_i of multiplication by x_i on the span
of w have the common eigenvectors w(x) with eigenvalues x_i.  They are found from the Schur vectors
of a random combination.

Ranks are numerical, so nothing here is a proof; the points are polished by a local search, and
their values tell what they are worth.

References
----------
Henrion and Lasserre, Detecting global optimality and extracting solutions in GloptiPoly, 2005.
Curto and Fialkow, The truncated complex K-moment problem, Trans. AMS 352 (2000).
Corless, Gianni and Trager, A reordered Schur factorization method for zero-dimensional polynomial
systems with multiple roots, ISSAC 1997.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import lcm
from operator import add

import numpy as np
from flint import fmpq
from numpy.typing import NDArray
from scipy.linalg import qr, schur

from tasks.records import stream
from tasks.sos._threads import one_blas_thread
from tasks.sos.bases.monomial_bases import full_basis
from tasks.sos.certify import certify
from tasks.sos.conic.solvers import SolverChoice
from tasks.sos.optimization._input import check_posed
from tasks.sos.optimization.bounds import unbounded_below
from tasks.sos.optimization.putinar import PutinarProgram, basis_size, least_order
from tasks.sos.optimization.relaxation import Relaxation, solve_relaxation
from tasks.sos.optimization.semialgebraic import SemialgebraicSet, local_minimizers
from tasks.sos.polynomials.polynomial import Polynomial
from tasks.sos.verdict import Verdict

RANK_TOLERANCES = (1e-3, 1e-4, 1e-2, 1e-5)
"""Singular values that count as 0 relative to the largest one, tried in this order."""
MATCH = 1e-2
"""Largest error of the moments of extracted points, relative to 1 + |moment|."""
EASY_BASIS = 70
"""Monomials of higher relaxations that are tried unasked: they take seconds."""
SAME_VALUE = 1e-6
"""Relative difference of the values of two minimizers."""
SAME_BOUND = 1e-3
"""Relative difference of the least value and the bound of a relaxation that is exact."""
SHARES = (fmpq(1, 16), fmpq(1, 1024))
"""Of pure powers that are taken off a leading form to prove that it is positive."""


@dataclass(frozen=True, eq=False)
class Extraction:
    """Points whose evaluations make up a functional.

    Attributes
    ----------
    ranks : tuple of int
        rank M_0, M_1, ..., at the tolerance that was used last.
    points : float64 (r, n)
        Empty unless the moments are flat.
    weights : float64 (r,)
        Shares of the points in L, up to errors nonnegative with sum 1.
    """

    ranks: tuple[int, ...]
    points: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def is_flat(self) -> bool:
        """Whether points were found."""
        return len(self.points) > 0


def extract_points(
    moments: Mapping[tuple[int, ...], float],
    num_variables: int,
    order: int,
    *,
    step: int = 1,
    seed: int = 0,
) -> Extraction:
    """Decompose a functional on polynomials of degree at most 2 * order, if it is flat.

    Parameters
    ----------
    moments : mapping
        L(x^a) by exponent; 0 where there is no entry.
    num_variables, order : int
    step : int
        r above.
    seed : int
        Of the random combination.

    Examples
    --------
    >>> moments = {(0,): 1.0, (2,): 4.0, (4,): 16.0}  # of the points 2 and -2
    >>> np.sort(extract_points(moments, 1, 2).points.ravel()).round(6).tolist()
    [-2.0, 2.0]
    """
    basis = full_basis(num_variables, order)[::-1]
    matrix = _moment_matrix(basis, moments)
    degrees = basis.sum(axis=1)
    ranks: tuple[int, ...] = ()
    for tolerance in RANK_TOLERANCES:
        ranks = tuple(
            _rank(matrix[np.ix_(degrees <= k, degrees <= k)], tolerance) for k in range(order + 1)
        )
        for s in range(step, order + 1):
            if ranks[s] != ranks[s - step] or not ranks[s]:
                continue
            part = degrees <= s
            within, rows = matrix[np.ix_(part, part)], basis[part]
            points = _points(within, rows, ranks[s], s - step, seed)
            # Shares of the points, by least squares from the moments of low degree.
            weights = np.linalg.lstsq(_monomials(rows, points), within[0], rcond=None)[0]
            if _matches(within, rows, points, weights):
                return Extraction(ranks, points, weights)
    return Extraction(ranks, np.zeros((0, num_variables)), np.zeros(0))


def _moment_matrix(
    basis: NDArray[np.int32], moments: Mapping[tuple[int, ...], float]
) -> NDArray[np.float64]:
    rows = basis.tolist()
    return np.array([[moments.get(tuple(map(add, u, v)), 0.0) for v in rows] for u in rows])


def _rank(matrix: NDArray[np.float64], tolerance: float) -> int:
    values = np.linalg.svd(matrix, compute_uv=False)
    return int((values > tolerance * values[0]).sum())


def _points(
    matrix: NDArray[np.float64], basis: NDArray[np.int32], rank: int, low: int, seed: int
) -> NDArray[np.float64]:
    """Joint eigenvalues of the multiplication matrices, (rank, n)."""
    values, vectors = np.linalg.eigh(matrix)
    factor = vectors[:, -rank:] * np.sqrt(np.maximum(values[-rank:], 0.0))
    is_low = np.flatnonzero(basis.sum(axis=1) <= low)
    _, _, order = qr(factor[is_low].T, pivoting=True, mode="economic")
    chosen = is_low[order[:rank]]
    # Rows of `reduced` express all monomials in the chosen ones.
    reduced = np.linalg.lstsq(factor[chosen].T, factor.T, rcond=None)[0].T
    place = {tuple(row): k for k, row in enumerate(basis.tolist())}
    multiplications = []
    for i in range(basis.shape[1]):
        raised = basis[chosen].copy()
        raised[:, i] += 1
        multiplications.append(reduced[[place[tuple(row)] for row in raised.tolist()]])
    shares = stream(seed, "extraction").dirichlet(np.ones(len(multiplications)))
    mixed = sum(share * matrix for share, matrix in zip(shares, multiplications, strict=True))
    frame = np.asarray(schur(mixed)[1])
    return np.array(
        [[float(q @ matrix @ q) for matrix in multiplications] for q in frame.T]
    ).reshape(rank, basis.shape[1])


def _monomials(basis: NDArray[np.int32], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of the monomials (m, r) at points (r, n)."""
    return (points[None, :, :] ** basis[:, None, :]).prod(axis=2)


def _matches(
    matrix: NDArray[np.float64],
    basis: NDArray[np.int32],
    points: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> bool:
    """Whether the points have the moments that they were made from."""
    if not np.isfinite(points).all() or (weights < -MATCH).any():
        return False
    values = _monomials(basis, points)
    errors = np.abs((values * weights) @ values.T - matrix)
    return bool((errors <= MATCH * (1.0 + np.abs(matrix))).all())


# --- minimizers of polynomials ------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Minimizers:
    """Points at which a polynomial is least, as far as numbers can tell.

    Attributes
    ----------
    points : float64 (r, n)
        Feasible up to rounding errors, polished.
    value : float
        The least value at them; NaN without points.
    bound : float
        Numerical lower bound of the relaxation.
    order : int
        Of the relaxation.
    ranks : tuple of int
        Of M_0, ..., M_order.
    is_flat : bool
        Whether the points were extracted from flat moments and attain the bound: then they are all
        minimizers that L knows of.  Otherwise they come from local searches alone, and there may
        be no minimizers at all.
    """

    points: NDArray[np.float64]
    value: float
    bound: float
    order: int
    ranks: tuple[int, ...]
    is_flat: bool


@one_blas_thread()
def minimizers(
    polynomial: Polynomial,
    inequalities: Iterable[Polynomial] = (),
    equalities: Iterable[Polynomial] = (),
    *,
    order: int | None = None,
    choice: SolverChoice | None = None,
    seed: int = 0,
) -> Minimizers:
    """Minimize a polynomial globally in floats, on a set or everywhere, and list the minimizers.

    Parameters
    ----------
    polynomial : Polynomial
    inequalities, equalities : iterable of Polynomial
        g >= 0 and h = 0.
    order : int, optional
        Of the relaxation; by default the least one and, until moments are flat, up to two more.
        Without constraints the higher orders use that the gradient vanishes at minimizers, if
        there are any: if p is coercive, or points attain the bound of a lower order.

    Returns
    -------
    Minimizers
        Without points and with the bound -inf if the leading form is negative somewhere.

    Raises
    ------
    InputError
        For wrong constraints or orders.
    """
    region = SemialgebraicSet.of(polynomial.variables, inequalities, equalities)
    check_posed([polynomial, *region.constraints])
    least = least_order(polynomial, region)
    if not region.constraints and unbounded_below(polynomial, seed) is not None:
        nowhere = np.zeros((0, polynomial.num_variables))
        return Minimizers(nowhere, float("nan"), -np.inf, least, (), False)
    last: Minimizers | None = None
    for current in [order] if order is not None else range(least, least + 3):
        if last is not None and basis_size(polynomial.num_variables, current) > EASY_BASIS:
            break
        sharpened = _sharpened(polynomial, region, current, last)
        program = PutinarProgram.of(polynomial, sharpened, current)
        relaxation = solve_relaxation(program.program, choice)
        found = minimizers_of(program, relaxation, seed=seed)
        if last is not None and found.value > last.value + SAME_BOUND * (1.0 + abs(last.value)):
            continue  # a lower value is known: these are critical points only
        last = found
        if last.is_flat:
            break
    assert last is not None  # there is at least one order
    return last


def _sharpened(
    polynomial: Polynomial, region: SemialgebraicSet, order: int, known: Minimizers | None
) -> SemialgebraicSet:
    """The set, or the critical points if a minimum is attained there and the order has room."""
    if region.constraints or order <= least_order(polynomial, region):
        return region
    if not (_attains_bound(known) or is_coercive(polynomial)):
        return region
    parts = [part for part in polynomial.gradient() if not part.is_zero]
    if any(part.degree == 0 for part in parts):
        return region
    return SemialgebraicSet.of(polynomial.variables, (), parts)


def _attains_bound(known: Minimizers | None) -> bool:
    """Whether points have the value of a bound that holds everywhere, as far as numbers tell."""
    if known is None:
        return False
    return known.value <= known.bound + SAME_BOUND * (1.0 + abs(known.bound))


def is_coercive(polynomial: Polynomial) -> bool:
    """Whether it is proved that p tends to infinity in all directions, so that it has a minimum.

    Let x_i^(d_i) be the highest pure powers.  It suffices that no term has a weight sum_i a_i / d_i
    of more than 1, and that the terms of weight 1 stay a sum of squares when a share of the pure
    powers is taken off.
    """
    rows, n = polynomial.exponents, polynomial.num_variables
    pure = [
        int(rows[(np.delete(rows, i, axis=1) == 0).all(axis=1), i].max(initial=0)) for i in range(n)
    ]
    if not n or min(pure) == 0:
        return False
    unit = lcm(*pure)
    terms = polynomial.terms()
    weights = {row: sum(a * (unit // d) for a, d in zip(row, pure, strict=True)) for row in terms}
    leading = {row: c for row, c in terms.items() if weights[row] == unit}
    if max(weights.values()) > unit:
        return False
    powers = [tuple(d * (i == j) for j in range(n)) for i, d in enumerate(pure)]
    for share in SHARES:
        rest = leading | {row: leading[row] * (1 - share) for row in powers}
        if certify(Polynomial.of(polynomial.variables, rest)).verdict is Verdict.PROVED:
            return True
    return False


def minimizers_of(
    program: PutinarProgram, relaxation: Relaxation, *, seed: int = 0, num_starts: int = 8
) -> Minimizers:
    """Read minimizers off a solved relaxation, and polish them.

    Parameters
    ----------
    program : PutinarProgram
    relaxation : Relaxation
        Of `program.program`.
    seed : int
    num_starts : int
        Random starts of local searches if the moments are not flat.
    """
    n, order = program.polynomial.num_variables, program.order
    found = Extraction((), np.zeros((0, n)), np.zeros(0))
    hints: Sequence[NDArray[np.float64]] = ()
    if relaxation.moments:
        step = max(1, *((g.degree + 1) // 2 for g in program.region.constraints), 1)
        found = extract_points(relaxation.moments, n, order, step=step, seed=seed)
        hints = list(found.points) or _guesses(relaxation.moments, n)
    polished = local_minimizers(
        program.target,
        program.scaled_region,
        hints,
        num_starts=0 if found.is_flat else num_starts,
        seed=seed,
    )
    points = _least(program.target, polished)
    is_flat = found.is_flat and len(points) == len(found.points)
    if is_flat:
        least = float(program.target.evaluate_floats(points).min())
        is_flat = least <= relaxation.level + SAME_BOUND * (1.0 + abs(relaxation.level))
    values = program.polynomial.evaluate_floats(program.point(points))
    return Minimizers(
        points=program.point(points),
        value=float(values.min()) if len(values) else float("nan"),
        bound=program.bound(relaxation.level),
        order=order,
        ranks=found.ranks,
        is_flat=is_flat,
    )


def _guesses(moments: Mapping[tuple[int, ...], float], n: int) -> list[NDArray[np.float64]]:
    """The mean of L, and the mean plus and minus its principal axes."""
    matrix = _moment_matrix(full_basis(n, 1)[::-1], moments)
    # The reversed basis is 1, x_n, ..., x_1.
    mean = matrix[0, :0:-1]
    values, axes = np.linalg.eigh(matrix[:0:-1, :0:-1] - np.outer(mean, mean))
    steps = (np.sqrt(np.maximum(values, 0.0)) * axes).T[::-1]
    return [mean, *(mean + sign * step for step in steps for sign in (1, -1))]


def _least(target: Polynomial, places: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The points with the least value, (r, n)."""
    if not places:
        return np.zeros((0, target.num_variables))
    points = np.array(places)
    values = target.evaluate_floats(points)
    return points[values <= values.min() + SAME_VALUE * (1.0 + abs(values.min()))]
