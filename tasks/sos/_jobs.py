"""Work on one polynomial in a process of its own, which is stopped at a deadline.

A job is answered by its result; one that was stopped, crashed or raised is a `Stopped`, see
`tasks.records.isolation`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tasks.records import Status
from tasks.records.isolation import Stopped, prepare_process, run_limited
from tasks.sos.config import LEARNED_BASES, CertifyConfig
from tasks.sos.polynomials.polynomial import Polynomial

if TYPE_CHECKING:
    from tasks.sos._work import Settings

__all__ = ["Certified", "CertifyJob", "CheckJob", "Checked", "Job", "Stopped", "run_job", "warm_up"]

logger = logging.getLogger(__name__)

Found = TypeVar("Found", covariant=True)
Preparation = Callable[[], object]

_POSITIVE = Polynomial.of(("x", "y"), {(4, 0): 1, (0, 4): 1, (1, 1): 1, (0, 0): 2})
_MOTZKIN = Polynomial.of(("x", "y"), {(4, 2): 1, (2, 4): 1, (2, 2): -3, (0, 0): 1})


@dataclass(frozen=True)
class Certified:
    """What `certify` found, as plain values.

    Attributes
    ----------
    verdict, reason : str
    certificate : str or None
        JSON text.
    attempts : list of dict
        Fields of `Attempt`.
    seconds : dict of str to float
        Wall time by stage.
    """

    verdict: str
    reason: str
    certificate: str | None
    attempts: list[dict[str, Any]]
    seconds: dict[str, float]


@dataclass(frozen=True)
class Checked:
    """What the independent checker found."""

    claim: str
    statement: str
    valid: bool
    reason: str
    block_sizes: tuple[int, ...]


class Job(Protocol[Found]):
    """One piece of work; pickled to the process that does it."""

    @property
    def preparation(self) -> Preparation | None:
        """What a process has to do before, once and out of the job's time; beside compilation."""
        ...

    def run(self) -> Found:
        """Do it there."""
        ...


@dataclass(frozen=True)
class CertifyJob:
    """Decide one polynomial, as the config says."""

    polynomial: Polynomial
    config: CertifyConfig

    @property
    def preparation(self) -> Preparation | None:
        """The network, for the bases that it proposes."""
        return _load_network if self.config.basis in LEARNED_BASES else None

    def run(self) -> Certified | Stopped:
        """Certify; there is no limit within, so that the result does not depend on the clock."""
        from tasks.sos.certify import Settings

        config = self.config
        settings = Settings(
            basis=config.basis,
            blocks=config.blocks,
            solver=config.solver,
            memory_gib=config.memory_gib,
            seed=config.seed,
        )
        return certified(self.polynomial, settings)


def certified(polynomial: Polynomial, settings: Settings) -> Certified | Stopped:
    """What `certify` finds, as plain values."""
    from tasks.sos.certify import certify

    found = certify(polynomial, settings)
    if found.is_over_budget:
        return Stopped(Status.OVER_BUDGET, found.reason)
    return Certified(
        verdict=str(found.verdict),
        reason=found.reason,
        certificate=None if found.certificate is None else found.certificate.to_json(),
        attempts=[asdict(attempt) for attempt in found.attempts],
        seconds=dict(found.seconds),
    )


@dataclass(frozen=True)
class CheckJob:
    """Check one certificate, given as JSON text."""

    certificate: str
    preparation: None = None

    def run(self) -> Checked:
        """Verify in exact arithmetic."""
        from tasks.sos.checker.verification import verify_sos_certificate

        found = verify_sos_certificate(json.loads(self.certificate))
        reason = "; ".join(found.reasons)
        return Checked(found.claim, found.statement, found.valid, reason, found.block_sizes)


def run_job(job: Job[Found], *, seconds: float, memory_gib: float) -> Found | Stopped:
    """The job's result, or `Stopped`; seconds and GiB of resident memory are enforced from outside.

    The time that a new process needs to start and to prepare itself is not counted.
    """
    _announce()
    prepare = partial(_prepare, job.preparation)
    return run_limited(do_job, job, seconds=seconds, memory_gib=memory_gib, prepare=prepare)


def warm_up(preparation: Preparation | None = None) -> Stopped | None:
    """Have a process ready before the first job, or say what prevents it.

    Compiled kernels are kept on disk: on one machine the first process compiles for all.
    """
    _announce()
    return prepare_process(do_job, partial(_prepare, preparation))


@cache
def _announce() -> None:
    logger.info("compiling kernels, once")


# --- in the process -----------------------------------------------------------------------------


def do_job(job: Job[Found]) -> Found:
    """Do a job."""
    return job.run()


def _prepare(preparation: Preparation | None) -> None:
    _compile_kernels()
    if preparation is not None:
        preparation()


@cache
def _compile_kernels() -> None:
    """Decide small polynomials by all means: that loads and compiles what the jobs need."""
    for p in (_POSITIVE, _MOTZKIN, _MOTZKIN + 1):
        found = CertifyJob(p, CertifyConfig()).run()
        if isinstance(found, Certified) and found.certificate is not None:
            CheckJob(found.certificate).run()


@cache
def _load_network() -> None:
    from tasks.sos.prediction.predictor import predicted_basis, shipped_predictor

    predicted_basis(_MOTZKIN, shipped_predictor())
