"""What the checker takes on, so that no file makes it hang; beyond, a file is refused.

The limits are stated in docs/coloring_certificates.md.
"""

from __future__ import annotations

from tasks.coloring.checker.verdicts import RefusedError

MAX_BYTES = 2**28
"""Bytes of a file."""
MAX_TOKENS = 2**22
"""Commas, brackets and braces of a file."""
MAX_DIGITS = 1000
"""Characters of a number, and digits of the common denominator of all numbers."""
MAX_MAGNITUDE = 10**100
"""Absolute value of a number."""
MAX_SURD = 10**9
"""The n of a + b sqrt(n)."""
MAX_COLORS = 200
"""Colors."""
MAX_INTERVALS = 1000
"""Forbidden intervals of all colors together."""
MAX_BALL = 256
"""Vertices of a unit ball."""
MAX_EXPONENT = 64
"""Numerator and denominator of the p of a p-norm."""
MAX_POWER_BITS = 2**16
"""Bits of the common denominator times the numerator of p."""
MAX_CELLS = 2**25
"""Cells of a grid."""
MAX_PADDED_CELLS = 2**28
"""Cells of a grid with the wrapped ones that offsets reach."""
MAX_BIT_STEPS = 2**43
"""Wrapped cells times shifts, over all colors."""
MAX_TILES = 20_000
"""Polygons."""
MAX_VERTICES = 200_000
"""Vertices of all polygons together."""
MAX_COMPARISONS = 2 * 10**7
"""Comparisons of points and edges, in each step of the check of polygons."""
MAX_PERIODS = 1000
"""Periods that an edge of a polygon may cross in either direction."""
MAX_VORONOI_STEPS = 2**25
"""Voronoi tiles times offsets."""
MAX_SUPERBASE_STEPS = 1000
"""Steps of the reduction of a basis."""
MAX_OFFSET = 2**31
"""Absolute value of a coordinate of an offset."""
MAX_DECISIONS = 2**21
"""Rows of offsets, and offsets near a forbidden distance that are decided one by one."""


def weight(denominator: int, surd: int | None, cost: int) -> int:
    """How many steps a decision of some cost counts for: more with long numbers and surds."""
    return (1 + denominator.bit_length() // 256) * (1 if surd is None else 4) * cost


class Budget:
    """Counts down; what would take more is refused.

    Parameters
    ----------
    limit
        Largest total that may be spent.
    what
        What is counted, for the reason.
    weight
        What one of them counts for.
    """

    def __init__(self, limit: int, what: str, weight: int = 1) -> None:
        self.limit, self.what, self.weight, self.spent = limit, what, weight, 0

    def spend(self, amount: int) -> None:
        """Count an amount.

        Raises
        ------
        RefusedError
            Once the total is above the limit.
        """
        self.spent += amount * self.weight
        if self.spent > self.limit:
            raise RefusedError(f"too much work: more than {self.limit:,} {self.what}")
