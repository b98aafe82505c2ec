"""Configuration of a run that certifies polynomials."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tasks.records.config import FrozenConfig

BasisMethod = Literal[
    "auto",
    "even-sqrt",
    "newton",
    "full",
    "vertices",
    "random",
    "predicted",
    "cascade",
    "unrepaired",
]
"""Which bases are tried, see `tasks.sos.cascade`."""

LEARNED_BASES = frozenset[BasisMethod]({"predicted", "cascade", "unrepaired"})
"""Those that a trained network proposes."""

ConicSolver = Literal["clarabel", "scs", "mosek"]
SolverName = Literal["auto", "interior", ConicSolver]
"""What solves Gram problems, see `tasks.sos.gram.numerics`."""

Blocks = Literal["sign", "term", "chordal"]
"""Blocks of Gram matrices, see `tasks.sos.certify.Settings`."""


class CertifyConfig(FrozenConfig):
    """Which polynomials to decide, and how."""

    polynomials: tuple[str, ...] = Field(
        default=("benchmarks",), min_length=1, max_length=1_000_000
    )
    """Texts such as x^4 + 2*x*y - 3/2, files (.json, .arrow, .txt), file#name for one polynomial of
    a file, benchmarks for the 50 classical polynomials, or one of their names."""

    basis: BasisMethod = "auto"
    """Monomials of the squares. auto: the square roots of the even terms, and if these are not
    enough, half of the Newton polytope. cascade: what a trained network proposes, then larger and
    larger bases in the order of its scores, then half of the Newton polytope; predicted: without
    those in between. The others are baselines: full has all monomials up to half the degree."""

    blocks: Blocks = "sign"
    """Blocks of the Gram matrix: by sign symmetries, or the components of term sparsity, which both
    lose nothing; or the smaller cliques of a chordal extension, which may lose a proof and refute
    nothing."""

    solver: SolverName = "auto"
    """What solves the Gram problems. auto: the project's own methods, which look for a positive
    definite matrix first, then take interior points, and SCS where those are too large. No solver
    is trusted: every verdict rests on exact arithmetic."""

    seconds: float = Field(default=120.0, gt=0.0, le=1e6)
    """Time of one polynomial; one that takes longer is stopped and has status over_budget."""

    memory_gib: float = Field(default=4.0, gt=0.0, le=4096.0)
    """Resident memory of the process that works on one polynomial, in GiB; above it the polynomial
    is stopped and has status over_budget."""

    verify_share: float = Field(default=1.0, ge=0.0, le=1.0)
    """Share of the certificates that are checked again by code that shares nothing with what made
    them."""

    per_call: int = Field(default=0, ge=0, le=10_000)
    """Polynomials per call on a worker; 0: four, or more where that would be above 256 calls."""

    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    """Root of the random starts of searches, and of the choice of certificates to check."""
