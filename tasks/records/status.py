"""Vocabulary of outcomes: every item of work ends as a row with one of these words."""

from enum import StrEnum


class Status(StrEnum):
    """Outcome of one item; its value is what the ``status`` column holds.

    Examples
    --------
    >>> Status("over_budget").explanation
    'The item would have exceeded its memory or time budget and was not computed.'
    """

    OK = "ok"
    FAILED = "failed"
    OVER_BUDGET = "over_budget"

    @property
    def explanation(self) -> str:
        """One sentence for people."""
        return _EXPLANATIONS[self]


_EXPLANATIONS = {
    Status.OK: "The item was computed and its results are stored.",
    Status.FAILED: "The item raised an error; the reason is stored in place of results.",
    Status.OVER_BUDGET: (
        "The item would have exceeded its memory or time budget and was not computed."
    ),
}
