"""Cycles: when a training is interrupted to prune, and how sparse the network is from then on.

With n cycles to sparsity S, iterative magnitude pruning removes in every cycle the same share

    p = 1 - (1 - S)^(1/n)

of the weights that are left, so that after cycle k the sparsity is 1 - (1 - S)^(k/n).  Gradual
pruning follows a cubic instead, S - S (1 - k/n)^3: fast while much can be lost.

A *course* is a whole training by steps: dense ones, then cycles, each of which prunes and goes on.

    imp   T dense steps, then n cycles of T_rt steps, rates restarted in every cycle
    bimp  the same within a budget B = T + n T_rt: a share of it dense, the rest in equal cycles,
          the last of which takes what is left over
    gmp   one training of B steps, pruned along the cubic between 10 % and 75 % of them; rates go on
    dpf   the same, and pruned weights are trained on invisibly and may come back

References
----------
Zimmer, Spiegel, Pokutta, arXiv:2111.00843 (budgets of BIMP).
Zhu and Gupta, To prune, or not to prune, arXiv:1710.01878 (GMP).
Lin et al., Dynamic model pruning with feedback, arXiv:2006.07253 (DPF).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from tasks.records import InputError

__all__ = [
    "METHODS",
    "Course",
    "Cycle",
    "Method",
    "gmp_sparsities",
    "imp_sparsities",
    "plan_course",
    "split_budget",
]

Method = Literal["imp", "bimp", "gmp", "dpf"]
METHODS: tuple[Method, ...] = get_args(Method)
PRUNING_WINDOW = (0.1, 0.75)
"""Shares of a gradual training at which its first and last pruning happen."""


@dataclass(frozen=True)
class Cycle:
    """One pruning with the training after it.

    Attributes
    ----------
    number : int
        From 1.
    sparsity : float
        Share of all prunable weights that is gone after the pruning.
    start, num_steps : int
        Steps taken before the pruning, and after it within this cycle.
    """

    number: int
    sparsity: float
    start: int
    num_steps: int


@dataclass(frozen=True)
class Course:
    """A whole training.

    Attributes
    ----------
    dense_steps : int
        Before the first pruning.
    cycles : tuple of Cycle
    continued : bool
        Whether one schedule runs over all steps; otherwise rates restart in every cycle.
    feedback : bool
        Whether pruned weights are trained on and may come back.
    """

    dense_steps: int
    cycles: tuple[Cycle, ...]
    continued: bool = False
    feedback: bool = False

    @property
    def num_steps(self) -> int:
        """Steps of the whole training."""
        return self.dense_steps + sum(cycle.num_steps for cycle in self.cycles)


def imp_sparsities(sparsity: float, num_cycles: int) -> tuple[float, ...]:
    """Sparsities after every cycle; the last is `sparsity` itself.

    >>> [round(s, 4) for s in imp_sparsities(0.9, 3)]
    [0.5358, 0.7846, 0.9]
    """
    _check(sparsity, num_cycles)
    shares = [1 - (1 - sparsity) ** (k / num_cycles) for k in range(1, num_cycles)]
    return (*shares, sparsity)


def gmp_sparsities(sparsity: float, num_cycles: int) -> tuple[float, ...]:
    """Sparsities of the cubic at k/n, k = 1..n."""
    _check(sparsity, num_cycles)
    n = num_cycles
    return tuple(sparsity - sparsity * (1 - k / n) ** 3 for k in range(1, n + 1))


def split_budget(total: int, dense: int, num_cycles: int) -> tuple[int, ...]:
    """Steps of the cycles that share what `dense` steps leave of `total`; the last has the rest.

    Raises
    ------
    InputError
        If a cycle would have no step.
    """
    each = (total - dense) // num_cycles if num_cycles else 0
    if each < 1 or dense < 1:
        raise InputError(
            f"{total} steps cannot be split into {dense} dense ones and {num_cycles} cycles of at "
            "least one; give a larger budget or fewer cycles"
        )
    return (*[each] * (num_cycles - 1), total - dense - each * (num_cycles - 1))


def plan_course(
    method: Method,
    sparsity: float,
    num_cycles: int,
    *,
    dense_steps: int,
    cycle_steps: int,
    dense_share: float = 0.5,
) -> Course:
    """Course to a sparsity.  All methods take T + n T_rt steps.

    Parameters
    ----------
    dense_steps, cycle_steps : int
        T and T_rt, at least 1.
    dense_share : float
        Share of the budget that ``bimp`` trains before the first pruning.

    Raises
    ------
    InputError
        For an unknown method, a sparsity outside [0, 1) or too few steps.
    """
    if method not in METHODS:
        raise InputError(f"no method is called {method!r}; known are {', '.join(METHODS)}")
    total = dense_steps + num_cycles * cycle_steps
    if method == "imp":
        lengths = split_budget(total, dense_steps, num_cycles)
        return Course(dense_steps, _cycles(imp_sparsities(sparsity, num_cycles), lengths, total))
    if method == "bimp":
        dense = round(dense_share * total)
        lengths = split_budget(total, dense, num_cycles)
        return Course(dense, _cycles(imp_sparsities(sparsity, num_cycles), lengths, total))
    lengths = _window(total, num_cycles)
    cycles = _cycles(gmp_sparsities(sparsity, num_cycles), lengths, total)
    return Course(total - sum(lengths), cycles, continued=True, feedback=method == "dpf")


def _window(total: int, num_cycles: int) -> tuple[int, ...]:
    """Lengths of cycles that begin at equal distances within the window of pruning."""
    first, last = (round(share * total) for share in PRUNING_WINDOW)
    gaps = max(num_cycles - 1, 1)
    begins = [max(first + (last - first) * k // gaps, 1) for k in range(num_cycles)]
    lengths = [b - a for a, b in zip(begins, [*begins[1:], total], strict=True)]
    if min(lengths) < 1:
        raise InputError(
            f"{total} steps are too few for {num_cycles} prunings; give more steps or fewer cycles"
        )
    return tuple(lengths)


def _cycles(sparsities: Sequence[float], lengths: Sequence[int], total: int) -> tuple[Cycle, ...]:
    start = total - sum(lengths)
    cycles = []
    for number, (sparsity, length) in enumerate(zip(sparsities, lengths, strict=True), start=1):
        cycles.append(Cycle(number, sparsity, start, length))
        start += length
    return tuple(cycles)


def _check(sparsity: float, num_cycles: int) -> None:
    if not 0 <= sparsity < 1:
        raise InputError(f"sparsity {sparsity} is not in [0, 1)")
    if num_cycles < 1:
        raise InputError(f"{num_cycles} cycles: give at least 1")
