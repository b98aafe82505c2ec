"""Configuration of a benchmark of bases."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field, field_validator

from tasks.records.config import FrozenConfig
from tasks.sos.config import BasisMethod, Blocks

Method = Literal[
    "cascade",
    "predicted",
    "autoregressive",
    "autoregressive-1",
    "even-sqrt",
    "vertices",
    "random",
    "newton",
    "term-sparsity",
    "chordal",
    "full",
    "no-repair",
]
METHODS: tuple[Method, ...] = get_args(Method)
HOW: dict[Method, tuple[BasisMethod, Blocks]] = {
    "cascade": ("cascade", "sign"),
    "predicted": ("predicted", "sign"),
    "even-sqrt": ("auto", "sign"),
    "vertices": ("vertices", "sign"),
    "random": ("random", "sign"),
    "newton": ("newton", "sign"),
    "term-sparsity": ("newton", "term"),
    "chordal": ("newton", "chordal"),
    "full": ("full", "sign"),
    "no-repair": ("unrepaired", "sign"),
}
"""What most methods mean: the order of their bases, and the blocks of Gram matrices."""
WRITTEN: tuple[Method, ...] = ("autoregressive", "autoregressive-1")
"""The others: bases that an encoder-decoder writes."""

CLASSICS = "classics"
"""The cell of the classical polynomials."""


class BenchmarkConfig(FrozenConfig):
    """Which polynomials, by which methods, within which limits; all of it names the run."""

    cells: tuple[str, ...] = Field(default=("sparse-n6-d6-m30",), min_length=1, max_length=1000)
    """Cells such as dense-n6-d10-m60: a family, variables, half the degree, size of the planted
    basis; classics for the 50 classical polynomials."""

    methods: tuple[Method, ...] = Field(default=("cascade", "even-sqrt", "newton"), min_length=1)
    """cascade: predicted, then larger ones; predicted: then half Newton at once (no expansion);
    no-repair: the cascade without repair; autoregressive: the cascade of the published
    encoder-decoder, autoregressive-1: with the given order of the variables alone; even-sqrt,
    vertices, random: that basis, repaired, then half Newton; newton: half Newton at once;
    term-sparsity, chordal: its blocks by term sparsity; full: all monomials up to half the degree.
    """

    baseline: str = ""
    """Model file of the methods autoregressive, model.safetensors of a run of train-baseline; empty
    for the one that comes with the package."""

    scorer: str = ""
    """Model file of the methods cascade, predicted and no-repair, model.safetensors of a run of
    sos-train; empty for the one that comes with the package."""

    permutations: int = Field(default=4, ge=1, le=1000)
    """Orders of the variables in which the method autoregressive writes bases where its first one
    fails, the given order among them."""

    instances: int = Field(default=20, ge=1, le=1_000_000)
    """Polynomials per cell; all 50 of the classics in any case."""

    seconds: float = Field(default=60.0, gt=0.0, le=1e6)
    """Time of one polynomial with one method; one that takes longer is stopped and counts as a
    failure that took so long, so the limits are part of what is measured."""

    memory_gib: float = Field(default=4.0, gt=0.0, le=4096.0)
    """Resident memory of the process that works on one polynomial, in GiB."""

    per_call: int = Field(default=10, ge=1, le=10_000)
    """Polynomials per call on a worker."""

    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    """Root of the polynomials; not that of the shipped model's training data."""

    @field_validator("cells", "methods")
    @classmethod
    def _are_different(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name} is given twice")
        return names
