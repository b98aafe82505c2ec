"""Many small Gram problems at once: buckets of equal size, and a way on for what is left.

Problems of the same total size m_1 + ... + m_B form a bucket, whose matrices are worked on together
(`gpu.gram_batches`); several blocks of one problem stand on the diagonal of one matrix.  That finds
positive definite Gram matrices of most polynomials in the interior of the cone of sums of squares
in a few eigendecompositions.  It decides nothing else: what it leaves open, boundary cases above
all, is given to a fallback, one problem at a time.

Its worth is in batches of small problems that are at hand together: at m = 22 it takes 0.2 ms of
one core per full-rank problem, `definite` one by one 0.3 ms, interior points 3 ms; at m = 37 it is
1.2 against 0.6 ms.  `tasks.sos.certify` does not use it: its items come one by one,
with limits of their own, and solving takes a fifth of their time.  Without weights it certifies 17
to 58 % of sparse problems, `definite` 28 to 65 %, interior points 40 to 70 %.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from gpu.backend import Device
from gpu.gram_batches import solve_gram_batch
from tasks.sos.gram.problem import GramProblem, Grams

logger = logging.getLogger(__name__)

Outcome = TypeVar("Outcome")

MAX_SIZE = 128
"""Total size of a problem up to which it goes into a batch; above, one problem fills a machine."""


@dataclass(frozen=True, eq=False)
class BatchItem(Generic[Outcome]):
    """What became of one problem.

    Attributes
    ----------
    certified : bool
        A positive definite solution of the equations, with coefficients rounded to floats, lies
        within rounding errors of `grams`.  No exact proof yet.
    grams : tuple of float64 (m_b, m_b)
        The last matrices; empty if the problem was in no batch.
    iterations : int
        Eigendecompositions spent in the batch.
    fallback : Outcome or None
        What the fallback returned, if it was asked.
    """

    certified: bool
    grams: Grams
    iterations: int
    fallback: Outcome | None = None


def certify_batch(
    problems: Sequence[GramProblem],
    *,
    fallback: Callable[[GramProblem], Outcome] | None = None,
    max_iterations: int = 30,
    device: Device = "auto",
    num_threads: int = 1,
) -> list[BatchItem[Outcome]]:
    """Look for positive definite Gram matrices of many problems.

    Parameters
    ----------
    problems : sequence of GramProblem
    fallback : callable, optional
        Called with every problem that the batch leaves open, in order, e.g. `solve_interior`.
    max_iterations : int
        Limit on the eigendecompositions of a problem in the batch.
    device : "auto", "cpu" or "cuda"
    num_threads : int
        Threads that share a bucket on a CPU.

    Returns
    -------
    list of BatchItem
        In the order of the problems.  A problem whose bases do not cover its support, with a
        coefficient beyond the range of floats, or of total size above `MAX_SIZE`, is in no batch.
    """
    items: list[BatchItem[Outcome]] = [BatchItem(False, (), 0) for _ in problems]
    for members in _buckets(problems):
        chosen = [problems[index] for index in members]
        result = solve_gram_batch(
            np.stack([_table(problem) for problem in chosen]),
            _coefficients(chosen),
            max_iterations=max_iterations,
            device=device,
            num_threads=num_threads,
        )
        for place, index in enumerate(members):
            items[index] = BatchItem(
                bool(result.certified[place]),
                _blocks(result.grams[place], problems[index].sizes),
                int(result.iterations[place]),
            )
    logger.info("%d of %d problems certified", sum(item.certified for item in items), len(items))
    if fallback is None:
        return items
    return [
        item if item.certified else replace(item, fallback=fallback(problem))
        for item, problem in zip(items, problems, strict=True)
    ]


def _buckets(problems: Sequence[GramProblem]) -> list[list[int]]:
    """Indices of the problems that can be in a batch, by total size."""
    buckets: dict[int, list[int]] = {}
    for index, problem in enumerate(problems):
        size = sum(problem.sizes)
        if 0 < size <= MAX_SIZE and _fits_floats(problem) and _is_covered(problem):
            buckets.setdefault(size, []).append(index)
    return [buckets[size] for size in sorted(buckets)]


def _is_covered(problem: GramProblem) -> bool:
    """The equations know only covered monomials; coefficients elsewhere would be forgotten.

    One that is 0 in floats counts as forgotten, too.
    """
    return np.count_nonzero(problem.target) == problem.polynomial.num_terms


def _fits_floats(problem: GramProblem) -> bool:
    try:
        return bool(np.isfinite(problem.target).all())
    except OverflowError:  # of a quotient of integers
        return False


def _table(problem: GramProblem) -> NDArray[np.int64]:
    """Classes of all entries of the block-diagonal matrix, -1 outside the blocks."""
    if len(problem.rows) == 1:
        return problem.rows[0]
    size, begin = sum(problem.sizes), 0
    table = np.full((size, size), -1, dtype=np.int64)
    for rows in problem.rows:
        end = begin + len(rows)
        table[begin:end, begin:end] = rows
        begin = end
    return table


def _coefficients(problems: Sequence[GramProblem]) -> NDArray[np.float64]:
    """Coefficients of every problem, padded with 0: (N, S)."""
    padded = np.zeros((len(problems), max(problem.num_monomials for problem in problems)))
    for row, problem in zip(padded, problems, strict=True):
        row[: problem.num_monomials] = problem.target
    return padded


def _blocks(gram: NDArray[np.float64], sizes: Sequence[int]) -> Grams:
    ends = np.cumsum(sizes).tolist()
    return tuple(
        gram[end - size : end, end - size : end] for end, size in zip(ends, sizes, strict=True)
    )
