"""Planted sums of squares: p = z_B' Q z_B with a known basis B and a known Gram matrix Q = F F'.

B is drawn first, then F; its entries are rounded to multiples of 2**-16, so that Q has entries in
2**-32 Z and p is expanded exactly, in integers.  Coefficients of p are far below 2**21, hence
floats hold them exactly.

Bases and structures are those of `tasks.sos.sampling.structures`, drawn by NumPy.

References
----------
N. Pelleriti et al., Neural sum-of-squares, arXiv:2510.13444, section on data sets.  There one
generator state is shared by all rows of a data set; here a row has the stream it is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import comb, isqrt
from typing import Literal, get_args

import numpy as np
from flint import fmpq, fmpq_mat
from numpy.typing import NDArray

from tasks.lattice import minkowski_sums, sort_monomials
from tasks.records import InputError
from tasks.sos.polynomials.polynomial import Polynomial

Structure = Literal["dense", "sparse", "low_rank", "block_diagonal"]
STRUCTURES: tuple[Structure, ...] = get_args(Structure)

_FACTOR_BITS = 16
_UNIT = fmpq(1, 1 << 2 * _FACTOR_BITS)
_MAX_SIZE = 1024
"""Up to here the integer coefficients of every expansion stay below 2**63 (see `_expanded`)."""
_MAX_RANK = 5
_MAX_BLOCK = 10


@dataclass(frozen=True, eq=False)
class Planted:
    """A sum of squares with its basis and Gram matrix.

    Attributes
    ----------
    polynomial : Polynomial
    basis : int32 (m, n)
        Distinct monomials in graded lexicographic order.
    factor : int64 (m, r)
        F in units of 2**-16; no row is zero.
    structure : Structure
    """

    polynomial: Polynomial
    basis: NDArray[np.int32]
    factor: NDArray[np.int64]
    structure: Structure

    @cached_property
    def gram(self) -> fmpq_mat:
        """Q = F F', exact, (m, m)."""
        size = len(self.basis)
        return fmpq_mat(size, size, [int(q) * _UNIT for q in (self.factor @ self.factor.T).flat])

    @cached_property
    def gram_floats(self) -> NDArray[np.float64]:
        """Q in float64 (m, m), without rounding."""
        return np.ldexp((self.factor @ self.factor.T).astype(np.float64), -2 * _FACTOR_BITS)


def planted(
    num_variables: int,
    degree: int,
    size: int,
    structure: Structure,
    rng: np.random.Generator,
) -> Planted:
    """Draw a planted sum of squares.

    Parameters
    ----------
    num_variables : int
        n >= 1.
    degree : int
        Bound on the degree of p, even and positive.
    size : int
        m, in 1..1024: the basis has about that many monomials, or all there are.
    structure : Structure
        Distribution of the factor.
    rng : numpy.random.Generator

    Raises
    ------
    InputError
        For arguments out of range.
    """
    _check(num_variables, degree, size, structure)
    drawn = _draw_basis(num_variables, degree // 2, size, rng)
    factor = _rounded(_FACTORS[structure](len(drawn), rng))
    if not factor.any():
        factor[rng.integers(len(factor)), 0] = 1 << (_FACTOR_BITS - 1)
    is_kept = factor.any(axis=1)
    basis, factor = drawn[is_kept], factor[is_kept]
    variables = tuple(f"x{i + 1}" for i in range(num_variables))
    return Planted(_expanded(variables, basis, factor), basis, factor, structure)


def _check(num_variables: int, degree: int, size: int, structure: str) -> None:
    if num_variables < 1:
        raise InputError(f"a planted polynomial has at least one variable, not {num_variables}")
    if degree < 2 or degree % 2:
        raise InputError(f"the degree of a sum of squares is even and positive, not {degree}")
    if not 1 <= size <= _MAX_SIZE:
        raise InputError(f"a planted basis has 1 to {_MAX_SIZE} monomials, not {size}")
    if structure not in STRUCTURES:
        raise InputError(f"structure must be one of {', '.join(STRUCTURES)}, not {structure!r}")


def _draw_basis(
    num_variables: int, half_degree: int, size: int, rng: np.random.Generator
) -> NDArray[np.int32]:
    """Distinct monomials of degree 1..d, int32 (m, n), sorted."""
    spread = isqrt(4 * size)
    available = comb(num_variables + half_degree, half_degree) - 1
    lowest, highest = max(1, size - spread), min(size + spread, _MAX_SIZE)
    wanted = min(int(rng.integers(lowest, highest + 1)), available)
    if available <= 4 * wanted:
        return _draw_without_replacement(num_variables, half_degree, wanted, rng)
    weights = _degree_weights(num_variables, half_degree)
    distinct: dict[bytes, NDArray[np.int32]] = {}
    while len(distinct) < wanted:
        degrees = 1 + rng.choice(half_degree, size=2 * wanted, p=weights)
        shares = np.full(num_variables, 1 / num_variables)
        for row in rng.multinomial(degrees, shares).astype(np.int32):
            distinct.setdefault(row.tobytes(), row)
            if len(distinct) == wanted:
                break
    return sort_monomials(np.stack(list(distinct.values())))


def _degree_weights(num_variables: int, half_degree: int) -> NDArray[np.float64]:
    counts = [comb(num_variables + k - 1, k) for k in range(1, half_degree + 1)]
    total = sum(counts)
    return np.array([count / total for count in counts])


def _draw_without_replacement(
    num_variables: int, half_degree: int, wanted: int, rng: np.random.Generator
) -> NDArray[np.int32]:
    """Draw from the same distribution where most draws would repeat: list all monomials."""
    by_degree = _degree_weights(num_variables, half_degree)
    rows, chances = [], []
    for row, ways in _compositions(num_variables, half_degree):
        degree = sum(row)
        if degree:
            rows.append(row)
            chances.append(by_degree[degree - 1] * (ways / num_variables**degree))
    chosen = rng.choice(len(rows), size=wanted, replace=False, p=np.array(chances) / sum(chances))
    return sort_monomials(np.array(rows, dtype=np.int32)[chosen])


def _compositions(parts: int, total: int) -> list[tuple[tuple[int, ...], int]]:
    """All exponent rows of degree at most `total`, each with its multinomial coefficient."""
    found: list[tuple[tuple[int, ...], int]] = [((), 1)]
    for _ in range(parts):
        found = [
            ((*row, power), ways * comb(sum(row) + power, power))
            for row, ways in found
            for power in range(total - sum(row) + 1)
        ]
    return found


def _dense(size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.standard_normal((size, size)) / 2


def _sparse(size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    share = rng.uniform(0.05, 0.1)
    return np.where(rng.random((size, size)) < share, _dense(size, rng), 0.0)


def _low_rank(size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    rank = int(rng.integers(1, _MAX_RANK + 1))
    return rng.standard_normal((size, rank)) / 2 * np.sqrt(rng.random(rank))


def _block_diagonal(size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    order, factor, begin = rng.permutation(size), np.zeros((size, size)), 0
    while begin < size:
        end = min(size, begin + int(rng.integers(1, _MAX_BLOCK + 1)))
        block = order[begin:end]
        factor[np.ix_(block, block)] = _dense(end - begin, rng)
        begin = end
    return factor


_FACTORS = {
    "dense": _dense,
    "sparse": _sparse,
    "low_rank": _low_rank,
    "block_diagonal": _block_diagonal,
}


def _rounded(factor: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.rint(np.ldexp(factor, _FACTOR_BITS)).astype(np.int64)


def _expanded(
    variables: tuple[str, ...], basis: NDArray[np.int32], factor: NDArray[np.int64]
) -> Polynomial:
    """Expand z' F F' z in integers; sums of absolute values bound every coefficient."""
    if (np.abs(factor).sum(axis=0).astype(np.float64) ** 2).sum() >= 2.0**62:
        raise InputError(f"a factor of size {factor.shape} is too large to expand in 64 bits")
    pairs = minkowski_sums(basis, basis)
    sums = np.zeros(len(pairs.rows), dtype=np.int64)
    np.add.at(sums, pairs.index.ravel(), (factor @ factor.T).ravel())
    is_term = sums != 0
    coefficients = [value * _UNIT for value in sums[is_term].tolist()]
    return Polynomial.from_arrays(variables, pairs.rows[is_term], coefficients)
