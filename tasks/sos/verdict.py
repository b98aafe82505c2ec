"""Verdicts: what is known about a polynomial, from a proof to an honest "undecided"."""

from enum import StrEnum


class Verdict(StrEnum):
    """What is known; its value is what the column ``verdict`` holds.

    Examples
    --------
    >>> Verdict("proved").is_exact
    True
    """

    PROVED = "proved"
    NUMERICAL = "numerical"
    REFUTED_SOS = "refuted_sos"
    NEGATIVE = "negative"
    UNDECIDED = "undecided"

    @property
    def explanation(self) -> str:
        """One sentence for people."""
        return _EXPLANATIONS[self]

    @property
    def is_exact(self) -> bool:
        """Whether there is a certificate that exact arithmetic can check."""
        return self in (Verdict.PROVED, Verdict.REFUTED_SOS, Verdict.NEGATIVE)


_EXPLANATIONS = {
    Verdict.PROVED: "It is a sum of squares: there is an exact rational Gram matrix.",
    Verdict.NUMERICAL: (
        "There is a Gram matrix that is semidefinite to working precision; nothing is proved."
    ),
    Verdict.REFUTED_SOS: "It is no sum of squares: an exact functional separates it from them.",
    Verdict.NEGATIVE: "It is negative at a rational point, so it is no sum of squares.",
    Verdict.UNDECIDED: "Neither a proof nor a refutation was found.",
}
