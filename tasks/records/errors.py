"""Error tree of the project.

Every deliberate error is a `LatticeworkError` whose text is one clear line: what was given, what
is allowed, what to do. Outcomes of science are not errors but a `Status` in a row.
"""

from collections.abc import Iterable
from difflib import get_close_matches

_MAX_SHOWN = 60
_MAX_PATH = 160


def shortened(value: object) -> str:
    """Repr of a value for messages, cut to about 60 characters.

    >>> shortened(10**399)
    '10000000000000000000... (400 digits)'
    """
    is_text = isinstance(value, str | bytes)
    try:
        text = repr(value[: _MAX_SHOWN + 1] if is_text else value)
    except (ValueError, RecursionError):  # integers of more than 4300 digits; deep nesting
        kind = "an integer" if isinstance(value, int) else f"a {type(value).__name__}"
        return f"{kind} too large to show"
    if len(text) <= _MAX_SHOWN:
        return text
    if isinstance(value, int):
        return f"{text[:20]}... ({len(text.lstrip('-'))} digits)"
    return f"{text[: _MAX_SHOWN - 3]}..."


def printable(text: str) -> str:
    r"""The text with escapes for what moves a cursor, hides, turns around or cannot be encoded.

    >>> print(printable("a\x1b[31m\u202eb"))
    a\x1b[31m\u202eb
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def abridged(path: str) -> str:
    """A path or URI for messages; of a very long one only both ends."""
    return path if len(path) <= _MAX_PATH else f"{path[:80]}...{path[-60:]}"


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """One line: what was given, what is probably meant, what there is."""
    names = list(known)
    close = get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"unknown {what} {name!r}; {hint}known: {', '.join(names)}"


class LatticeworkError(Exception):
    """Base of all deliberate errors; ``str(error)`` is one line that can be shown to a person."""

    def __init__(self, message: str) -> None:
        # Names in it may come from files of strangers.
        super().__init__(printable(" ".join(message.splitlines())))


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
