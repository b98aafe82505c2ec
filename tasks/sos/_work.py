"""What the work on one polynomial is made of: its settings, attempts, stages and outcome."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tasks.records import BudgetExceeded
from tasks.sos.bases.reductions import VariableScaling
from tasks.sos.bases.rules import BasisSource
from tasks.sos.certificates import AnyCertificate
from tasks.sos.config import BasisMethod, Blocks, SolverName
from tasks.sos.gram.interior import InteriorSolution
from tasks.sos.gram.problem import GramProblem
from tasks.sos.polynomials.polynomial import Polynomial
from tasks.sos.verdict import Verdict


@dataclass(frozen=True)
class Settings:
    """How to certify."""

    basis: BasisMethod | BasisSource = "auto"
    """Which bases are tried, see `tasks.sos.cascade`; auto: even square roots, then half of the
    Newton polytope; or what gives them."""
    blocks: Blocks = "sign"
    """Blocks by sign symmetries or the components of term sparsity, which lose nothing, or the
    cliques of a chordal extension, which may."""
    solver: SolverName = "auto"
    """What solves Gram problems; auto: a search for a positive definite matrix, then our interior
    points, and SCS where those are too large."""
    seconds: float = float("inf")
    """Time after which no further step begins."""
    memory_gib: float = 4.0
    """Memory of a conic solver."""
    seed: int = 0
    """Root of the random starts."""


@dataclass(frozen=True)
class Attempt:
    """One basis that was tried.

    Attributes
    ----------
    rule : str
        Name of its rule, see `tasks.sos.cascade`.
    basis_size, block_sizes, num_monomials, num_free : int or tuple of int
        m, m_b, S and K.
    feasibility : str
        What the numbers said; ``unique`` for K = 0, ``completed`` where the entries that the
        equations determine gave the others, ``uncovered`` if the basis cannot represent p.
    lower, upper : float
        Bounds on the largest t with Q - t W >= 0, up to rounding errors; NaN where nothing was
        solved, or where rounding errors are all there is.
    form : str
        ``image``, ``kernel``, ``distance``, a conic solver, or empty.
    num_steps : int
    is_repeated : bool
        Whether an earlier attempt had the same basis, so that nothing was solved for this one.
    """

    rule: str
    basis_size: int
    block_sizes: tuple[int, ...]
    num_monomials: int
    num_free: int
    feasibility: str
    lower: float = float("nan")
    upper: float = float("nan")
    form: str = ""
    num_steps: int = 0
    is_repeated: bool = False


@dataclass(frozen=True)
class Certification:
    """What became of a polynomial.

    Attributes
    ----------
    verdict : Verdict
    reason : str
        One phrase: how it was decided, or why not.
    certificate : certificate, optional
        For the exact verdicts.
    attempts : tuple of Attempt
    seconds : dict of str to float
        Wall time by stage.
    is_over_budget : bool
        Whether it is undecided because time or memory were over.
    """

    verdict: Verdict
    reason: str
    certificate: AnyCertificate | None
    attempts: tuple[Attempt, ...]
    seconds: dict[str, float]
    is_over_budget: bool = False


@contextmanager
def timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the time of a stage to its seconds."""
    start = time.perf_counter()
    try:
        yield
    finally:
        seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - start


@dataclass
class Work:
    """One polynomial on its way."""

    polynomial: Polynomial
    settings: Settings
    scaling: VariableScaling
    scaled: Polynomial
    attempts: list[Attempt] = field(default_factory=list)
    solved: dict[bytes, tuple[GramProblem, InteriorSolution]] = field(default_factory=dict)
    """Gram problems by their bases: none is solved twice."""
    tried: set[bytes] = field(default_factory=set)
    """All bases so far, those without a numerical problem among them."""
    seconds: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.perf_counter)

    @property
    def seconds_left(self) -> float:
        """Until the time is over."""
        return max(1e-3, self.settings.seconds - (time.perf_counter() - self.began))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage; refuse to begin one after the time is over."""
        spent = time.perf_counter() - self.began
        if spent > self.settings.seconds:
            raise BudgetExceeded(f"{spent:.3g} s are over before {name}; raise seconds")
        with timed(self.seconds, name):
            yield

    def finished(
        self, verdict: Verdict, reason: str, certificate: AnyCertificate | None = None
    ) -> Certification:
        """Wrap up."""
        return Certification(verdict, reason, certificate, tuple(self.attempts), self.seconds)
