"""Error tree of the project.

Every deliberate error is a `LatticeworkError` whose text is one clear line: what was given, what
is allowed, what to do. Outcomes of science are no errors but a `Status` in a row.
"""


class LatticeworkError(Exception):
    """Base of all deliberate errors; ``str(error)`` is one line that can be shown to a person."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))


class InputError(LatticeworkError, ValueError):
    """Wrong use or bad input: the caller can mend it."""


class BudgetExceeded(LatticeworkError):  # noqa: N818 - named for the outcome, as its status is
    """An item would exceed its memory or time budget."""


class StoreError(LatticeworkError):
    """The store cannot be read or written; names the path and the reason."""


class CorruptPartError(StoreError):
    """A part's bytes disagree with its sidecar.

    Parameters
    ----------
    path
        The part, relative to its run, e.g. ``histogram/histogram-7_fra.arrow``.
    reason
        What disagrees, e.g. ``sha256 differs from its sidecar``.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type["CorruptPartError"], tuple[str, str]]:
        return type(self), (self.path, self.reason)


class InfrastructureError(LatticeworkError):
    """The machinery failed, not the science: a dead worker, a lost node, missing resources.

    Parameters
    ----------
    message
        One line.
    retryable
        Whether the same call may succeed when it is made again.
    """

    def __init__(self, message: str, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable

    def __reduce__(self) -> tuple[type["InfrastructureError"], tuple[str, bool]]:
        # Exceptions travel between processes; the default would drop `retryable`.
        return type(self), (str(self), self.retryable)
