"""Work on one polynomial in a process of its own, which is stopped at a deadline.

The processes are those of the solvers (`tasks.sos.conic.solvers._isolation`), for which this module
is an adapter: they are kept from job to job while they are healthy, and killed when a job takes too
long or too much memory, or when their parent ends. A job is answered by its result; a job that was
stopped, crashed or raised is a `Stopped`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from tasks.records import Status
from tasks.sos.config import LEARNED_BASES, CertifyConfig
from tasks.sos.conic.solvers._isolation import run_isolated
from tasks.sos.conic.solvers._status import Answer, Limits, SolverStatus
from tasks.sos.polynomials.polynomial import Polynomial

if TYPE_CHECKING:
    from tasks.sos._work import Settings

ADAPTER = __name__
"""Module that the process imports for its jobs."""

_START = Limits(time_limit_s=120.0, memory_limit_gib=4.0, tolerance=1.0)
_MOTZKIN = Polynomial.of(("x", "y"), {(4, 2): 1, (2, 4): 1, (2, 2): -3, (0, 0): 1})
_OVER = (SolverStatus.TIME_LIMIT, SolverStatus.MEMORY_LIMIT)


@dataclass(frozen=True)
class Stopped:
    """Why a job has no result."""

    status: Status
    reason: str


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


class Job(Protocol):
    """One piece of work; pickled to the process that does it."""

    @property
    def preparation(self) -> Job | None:
        """What has to be done there before, out of the job's time."""
        ...

    def run(self) -> Any:
        """Do it there."""
        ...


@dataclass(frozen=True)
class LoadNetwork:
    """Load the shipped network and what it runs on, once in a process."""

    preparation: None = None

    def run(self) -> None:
        """Load it."""
        _load_network()


@dataclass(frozen=True)
class CertifyJob:
    """Decide one polynomial, as the config says."""

    polynomial: Polynomial
    config: CertifyConfig

    @property
    def preparation(self) -> LoadNetwork | None:
        """The network, for the bases that it proposes."""
        return LoadNetwork() if self.config.basis in LEARNED_BASES else None

    def run(self) -> Certified | Stopped:
        """Certify; there is no limit within, so that the result does not depend on the clock."""
        from tasks.sos.certify import Settings

        config = self.config
        settings = Settings(
            basis=config.basis,
            sparsity=config.sparsity,
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


def run_job(job: Job, *, seconds: float, memory_gib: float) -> Any:
    """The job's result, or `Stopped`; seconds and GiB of resident memory are enforced from outside.

    The time that a new process needs to start and to prepare itself is not counted.
    """
    ready, _ = run_isolated(ADAPTER, "probe", None, _START)
    if ready.status is not SolverStatus.OPTIMAL:
        return Stopped(Status.FAILED, f"no process could be started: {ready.message}")
    if job.preparation is not None:
        preparation: Any = job.preparation
        prepared, _ = run_isolated(ADAPTER, "solve", preparation, _START)
        if isinstance(prepared, Answer):
            return Stopped(Status.FAILED, f"no process could be prepared: {prepared.message}")
    limits = Limits(time_limit_s=seconds, memory_limit_gib=memory_gib, tolerance=1.0)
    payload: Any = job
    answer, _ = run_isolated(ADAPTER, "solve", payload, limits)
    return _stopped(answer, limits) if isinstance(answer, Answer) else answer


def _stopped(answer: Answer, limits: Limits) -> Stopped:
    """The same words in every execution, as far as possible."""
    if answer.status is SolverStatus.TIME_LIMIT:
        reason = f"stopped after {limits.time_limit_s:g} s; raise seconds"
    elif answer.status is SolverStatus.MEMORY_LIMIT:
        reason = f"stopped above {limits.memory_limit_gib:g} GiB of memory; raise memory_gib"
    else:
        reason = answer.message
    status = Status.OVER_BUDGET if answer.status in _OVER else Status.FAILED
    return Stopped(status, reason)


@lru_cache(maxsize=1)
def probe() -> None:
    """In the process, once: load what the jobs need, the compiled kernels among it."""
    for p in (_MOTZKIN, _MOTZKIN + 1):
        job = CertifyJob(p, CertifyConfig())
        found = job.run()
        if isinstance(found, Certified) and found.certificate is not None:
            CheckJob(found.certificate).run()


@lru_cache(maxsize=1)
def _load_network() -> None:
    from tasks.sos.prediction.predictor import predicted_basis, shipped_predictor

    predicted_basis(_MOTZKIN, shipped_predictor())


def solve(job: Job, limits: Limits) -> Any:
    """In the process: do a job."""
    return job.run()
