"""What is to be colored: the space, its norm, and the distances that no color may hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from itertools import groupby
from typing import Any

from tasks.coloring.certificates.distances import Forbidden, parse_distances
from tasks.coloring.certificates.norms import Euclidean, Norm, PNorm, PolygonalNorm
from tasks.coloring.certificates.numbers import Surd
from tasks.coloring.checker.limits import MAX_EXPONENT, MAX_INTERVALS, MAX_MAGNITUDE
from tasks.records.errors import InputError

__all__ = ["Problem", "named_norm", "problem_of"]

_LONGEST = 80
"""Characters of the distances in a key, which becomes part of names of files."""


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
        A name that `named_norm` reads.
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
            As `parse_distances`; or if there are more or larger distances than are checked.
        """
        forbidden = parse_distances(dict(distances), colors)
        _check_limits(forbidden)
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
            texts = "_".join(f"{n}x{text}" if n > 1 else text for n, text in groups)
            parts.append(texts if len(texts) <= _LONGEST else _shortened(texts))
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


def problem_of(row: Mapping[str, Any]) -> Problem:
    """The problem of a row with the columns of `Problem.place`."""
    return Problem(tuple(row["distances"]), row["dimension"], row["norm"])


def named_norm(name: str, dimension: int) -> Norm:
    """The norm of a name: euclidean, max, taxicab, hexagon, or p=3 and the like.

    The unit ball of ``hexagon`` is the regular hexagon with corners at distance 1.

    Raises
    ------
    InputError
        If the name is not one of these, or the norm does not exist in this dimension.
    """
    makers: dict[str, Callable[[], Norm]] = {
        "euclidean": Euclidean,
        "max": PolygonalNorm.maximum,
        "taxicab": PolygonalNorm.diamond,
        "hexagon": _hexagon,
    }
    if name.startswith("p="):
        powers = PNorm.of(name[2:])
        if max(powers.p.as_integer_ratio()) > MAX_EXPONENT:
            raise InputError(
                f"norm {name}: checkers know quotients of integers up to {MAX_EXPONENT}"
            )
        norm: Norm = powers
    elif name in makers:
        norm = makers[name]()
    else:
        raise InputError(f"norm {name!r} is not known; known are {', '.join(makers)} and p=NUMBER")
    norm.check_dimension(dimension)
    return norm


def _check_limits(forbidden: Forbidden) -> None:
    """Refuse what the second checker does not take on, before anything is searched."""
    number = sum(map(len, forbidden.intervals))
    if number > MAX_INTERVALS:
        raise InputError(f"{number} forbidden distances are more than {MAX_INTERVALS}")
    largest = max(each.high for own in forbidden.intervals for each in own)
    if largest.square > MAX_MAGNITUDE**2:
        raise InputError("a forbidden distance is above 10^100")


def _shortened(texts: str) -> str:
    return f"{texts[: _LONGEST - 17]}~{sha256(texts.encode()).hexdigest()[:16]}"


def _hexagon() -> Norm:
    one, half, zero = Surd.of(1), Surd.of(Fraction(1, 2)), Surd.of(0)
    height = Surd.of(0, Fraction(1, 2), 3)
    right = ((one, zero), (half, height), (-half, height))
    return PolygonalNorm((*right, *((-x, -y) for x, y in right)))
