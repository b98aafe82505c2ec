"""Failures: which exceptions are the machinery's, and how often trying again can help.

An exception is *infrastructure* when the machine failed and not the science: the same call may
succeed elsewhere or later. Everything else is an outcome of science and is never tried again.

================================================  ====================
exception                                         useful further tries
================================================  ====================
worker killed, node lost, object lost, connection  as many as allowed
worker out of memory                               one
unschedulable, cancelled, environment broken       none
science exceptions, wrong use                      none
================================================  ====================

Ray's exceptions are recognized by name, so that this module does not import ray.
"""

import sys
import textwrap
import traceback
from dataclasses import dataclass

from tasks.records.errors import BudgetExceeded, InfrastructureError
from tasks.records.status import Status

INFRASTRUCTURE = "infrastructure"
UNLIMITED = sys.maxsize
_LONGEST_REASON = 120

# Name of a Ray exception -> (what happened, retryable), searched along the class hierarchy.
_RAY_ERRORS = {
    "WorkerCrashedError": ("the worker process died while it ran the call", True),
    "ActorUnschedulableError": ("no node can run the call", False),
    "ActorDiedError": ("the worker process died before it answered", True),
    "ActorUnavailableError": ("the connection to the worker was lost", True),
    "NodeDiedError": ("the node that ran the call was lost", True),
    "LocalRayletDiedError": ("this machine's Ray node died", True),
    "ObjectLostError": ("a value was lost together with its node", True),
    "OutOfDiskError": ("the node has no disk space left for values in transit", False),
    "ObjectStoreFullError": ("the object store of the node is full", True),
    "RaySystemError": ("Ray reported a system error", True),
    "RpcError": ("a connection inside the cluster failed", True),
    "RuntimeEnvSetupError": ("the runtime environment could not be set up", False),
    "TaskUnschedulableError": ("no node can run the call", False),
    "TaskCancelledError": ("the call was cancelled", False),
    "AuthenticationError": ("the cluster refused the token", False),
}


class WorkerOutOfMemory(InfrastructureError):  # noqa: N818 - named for what happened
    """A worker was killed because its node ran out of memory; one more try is worth it."""


@dataclass(frozen=True)
class Failure:
    """Why an item has no value.

    Parameters
    ----------
    kind
        Class name of the exception, or ``"infrastructure"``.
    message
        One line.
    traceback
        Text of the traceback on the worker; empty when the worker died.
    useful_retries
        How many further tries can help: 0, 1 or `UNLIMITED`.
    status
        What the item is stored as.
    """

    kind: str
    message: str
    traceback: str = ""
    useful_retries: int = 0
    status: Status = Status.FAILED

    @property
    def is_infrastructure(self) -> bool:
        """Whether the machine failed, and not the science."""
        return self.kind == INFRASTRUCTURE

    @property
    def retryable(self) -> bool:
        """Whether trying again can help."""
        return self.useful_retries > 0

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        """Describe `error`; an infrastructure error by its class, the others by their own."""
        found = classify(error)
        text = "".join(traceback.format_exception(error))
        if found is not None:
            return cls(INFRASTRUCTURE, str(found), text, _useful_retries(found))
        cause = getattr(error, "cause", None) if _ray_names(error) else None
        shown = cause if isinstance(cause, BaseException) else error
        is_over = isinstance(shown, BudgetExceeded)
        status = Status.OVER_BUDGET if is_over else Status.FAILED
        return cls(type(shown).__name__, _one_line(shown), text, status=status)


def classify(error: BaseException) -> InfrastructureError | None:
    """Infrastructure error that `error` amounts to; None when it belongs to the science.

    Examples
    --------
    >>> classify(ConnectionResetError("peer")).retryable
    True
    >>> classify(ValueError("degree 0")) is None
    True
    """
    if isinstance(error, InfrastructureError):
        return error
    if isinstance(error, ConnectionError):
        return InfrastructureError(f"connection failed: {_one_line(error)}", retryable=True)
    return _classify_ray(error)


def _classify_ray(error: BaseException) -> InfrastructureError | None:
    names = _ray_names(error)
    if "OutOfMemoryError" in names:
        return WorkerOutOfMemory(
            "the node ran out of memory and the worker was killed; lower the memory of one call "
            "or reserve it with the profile's memory_gib",
            retryable=True,
        )
    for name in names:
        if name in _RAY_ERRORS:
            what, retryable = _RAY_ERRORS[name]
            # A module that is missing on the workers is missing again on the next try.
            missing = "No module named" in str(error)
            hint = "; install the project on every node" if missing else ""
            reason = textwrap.shorten(_one_line(error), _LONGEST_REASON, placeholder=" ...")
            message = f"{what} ({name}: {reason}){hint}"
            return InfrastructureError(message, retryable=retryable and not missing)
    return None


def _ray_names(error: BaseException) -> list[str]:
    classes = type(error).__mro__
    return [c.__name__ for c in classes if c.__module__.partition(".")[0] == "ray"]


def _useful_retries(error: InfrastructureError) -> int:
    if not error.retryable:
        return 0
    return 1 if isinstance(error, WorkerOutOfMemory) else UNLIMITED


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__
