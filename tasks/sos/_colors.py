"""What the colors of `tasks.records.palette` mean in pictures of sums of squares."""

from __future__ import annotations

from tasks.records.palette import BLUE, GRAY, GREEN, ORANGE, PURPLE, SKY, VERMILION
from tasks.sos.verdict import Verdict

_BLOCKS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION)

VERDICT_COLORS = {
    Verdict.PROVED: GREEN,
    Verdict.NUMERICAL: ORANGE,
    Verdict.REFUTED_SOS: VERMILION,
    Verdict.NEGATIVE: PURPLE,
    Verdict.UNDECIDED: GRAY,
}

RULE_COLORS = {"even-sqrt": SKY, "newton": ORANGE, "full": GRAY}

STAGE_COLORS = {
    "basis": SKY,
    "blocks": GRAY,
    "solve": BLUE,
    "prove": GREEN,
    "refute": VERMILION,
    "write": ORANGE,
    "check": PURPLE,
}


def block_color(index: int) -> str:
    """Color of a block of the Gram matrix; they repeat after six."""
    return _BLOCKS[index % len(_BLOCKS)]
