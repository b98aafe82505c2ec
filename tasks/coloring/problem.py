"""What is to be colored: space, norm, number of colors, and the distances that each may not hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tasks.coloring.certificates.distances import Forbidden, parse_distances

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """A coloring problem.

    Attributes
    ----------
    distances : tuple of str
        One entry per color: a distance, an interval, or several, separated by commas.
    dimension : int
        2 or 3.
    norm : str
        A name that `certificates.norms.named_norm` reads.
    """

    distances: tuple[str, ...]
    dimension: int = 2
    norm: str = "euclidean"

    @classmethod
    def of(
        cls, colors: int, distances: Mapping[str, str], dimension: int = 2, norm: str = "euclidean"
    ) -> Problem:
        """The problem of a config: colors that `distances` does not name forbid 1.

        Raises
        ------
        InputError
            As `parse_distances`.
        """
        forbidden = parse_distances(dict(distances), colors)
        texts = tuple(",".join(map(str, intervals)) for intervals in forbidden.intervals)
        return cls(texts, dimension, norm)

    @property
    def num_colors(self) -> int:
        """k."""
        return len(self.distances)

    @property
    def forbidden(self) -> Forbidden:
        """The intervals, exactly."""
        return parse_distances(list(self.distances), self.num_colors)

    @property
    def is_plain(self) -> bool:
        """Whether all colors forbid 1 in the Euclidean norm."""
        return set(self.distances) == {"1"} and self.norm == "euclidean"

    @property
    def key(self) -> str:
        """The problem in keys of items: ``5``, ``5_1-0.45`` (five with 1, one with 0.45)."""
        parts = [str(self.num_colors)]
        if set(self.distances) != {"1"}:
            groups = [(len(list(group)), text) for text, group in groupby(self.distances)]
            parts.append("_".join(f"{n}x{text}" if n > 1 else text for n, text in groups))
        if self.dimension != 2:
            parts.append(f"r{self.dimension}")
        if self.norm != "euclidean":
            parts.append(self.norm)
        return ".".join(parts)

    @property
    def words(self) -> str:
        """The problem for people."""
        colors = f"{self.num_colors} color{'s' * (self.num_colors != 1)}"
        space = "" if self.dimension == 2 else " in space"
        norm = "" if self.norm == "euclidean" else f", norm {self.norm}"
        others = [(c, d) for c, d in enumerate(self.distances) if d != "1"]
        apart = "".join(f", color {color} at {text}" for color, text in others[:3])
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        return f"{colors}{space}{apart}{more}{norm}"

    def place(self) -> dict[str, Any]:
        """Columns that name the problem in tables."""
        return {
            "problem": self.key,
            "num_colors": self.num_colors,
            "distances": list(self.distances),
            "dimension": self.dimension,
            "norm": self.norm,
        }
