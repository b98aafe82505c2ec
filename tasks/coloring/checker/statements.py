"""What a certificate states, whatever its form: lattice, norm, forbidden distances, fraction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt
from typing import Any

from tasks.coloring.checker.documents import check_integer, check_keys, check_list
from tasks.coloring.checker.limits import MAX_COLORS, MAX_INTERVALS, MAX_SURD
from tasks.coloring.checker.norm_parsing import parse_norm
from tasks.coloring.checker.norms import Norm
from tasks.coloring.checker.numbers import Number, parse_number, scaled
from tasks.coloring.checker.vectors import Vector, determinant
from tasks.coloring.checker.verdicts import RefusedError, shortened

KIND = "plane-coloring"
VERSION = 1
FORMS = ("cells", "polygons", "voronoi")
_ALWAYS = (
    "kind", "version", "form", "norm", "lattice", "num_colors", "forbidden", "boundary", "removed",
)  # fmt: skip


@dataclass(frozen=True)
class Bound:
    """A distance: its value (None where only the square is given), its square, and its text."""

    value: Number | None
    square: Number
    text: str


@dataclass(frozen=True)
class Interval:
    """Distances from low to high that are forbidden."""

    low: Bound
    high: Bound

    def __str__(self) -> str:
        low, high = self.low.text, self.high.text
        return low if low == high else f"{low} to {high}"


@dataclass(frozen=True)
class Statement:
    """A certificate but for its coloring.

    Attributes
    ----------
    form
        "cells", "polygons" or "voronoi".
    surd
        The n of numbers a + b sqrt(n), or None.
    norm
        In which distances are measured.
    lattice
        The period vectors, n rows in R^n.
    forbidden
        For every color its intervals.
    is_closed
        Whether tiles are closed: any choice of colors on boundaries; else half-open.
    removed
        The fraction of points without a color, as stated.
    content
        The value of the key of the form.
    """

    form: str
    surd: int | None
    norm: Norm
    lattice: tuple[Vector, ...]
    forbidden: tuple[tuple[Interval, ...], ...]
    is_closed: bool
    removed: Number
    content: Any

    @property
    def dimension(self) -> int:
        """2 or 3."""
        return len(self.lattice)

    @property
    def num_colors(self) -> int:
        """How many colors there are."""
        return len(self.forbidden)

    def intervals(self) -> dict[Interval, list[int]]:
        """The colors by forbidden interval."""
        found: dict[Interval, list[int]] = {}
        for color, intervals in enumerate(self.forbidden):
            for interval in dict.fromkeys(intervals):
                found.setdefault(interval, []).append(color)
        return found

    def bounds(self) -> Iterator[Number]:
        """The numbers that state distances."""
        for interval in self.intervals():
            for bound in (interval.low, interval.high):
                yield bound.square if bound.value is None else bound.value

    def thresholds(self, scale: int) -> dict[Interval, tuple[Number, Number]]:
        """The ends of every interval times a scale, as the norm takes them: maybe squared."""

        def threshold(bound: Bound) -> Number:
            if self.norm.takes_squares:
                return scaled(bound.square, scale * scale)
            return scaled(bound.value, scale)

        return {each: (threshold(each.low), threshold(each.high)) for each in self.intervals()}


def parse_statement(record: dict[str, Any]) -> Statement:
    """Check the form of a certificate but for its coloring.

    Raises
    ------
    RefusedError
        If it has another kind or version, or a key is missing, unknown or ill-typed.
    """
    kind, version, form = (record.get(key) for key in ("kind", "version", "form"))
    if kind != KIND or type(version) is not int or version != VERSION:
        raise RefusedError(
            f"kind {shortened(kind)}, version {shortened(version)}; known is '{KIND}', version 1"
        )
    if form not in FORMS:
        raise RefusedError(f"form {shortened(form)}; known are {', '.join(FORMS)}")
    check_keys(record, (*_ALWAYS, form), "the certificate", ("surd", "about"))
    if not isinstance(record.get("about", {}), dict):
        raise RefusedError(f"about: {shortened(record['about'])} where an object is expected")
    surd = _surd(record["surd"]) if "surd" in record else None
    lattice = _lattice(record["lattice"], surd)
    norm = parse_norm(record["norm"], surd, len(lattice))
    colors = check_integer(record["num_colors"], 1, MAX_COLORS, "num_colors")
    return Statement(
        form=form,
        surd=surd,
        norm=norm,
        lattice=lattice,
        forbidden=_forbidden(record["forbidden"], colors, surd, norm),
        is_closed=_is_closed(record["boundary"], form),
        removed=parse_number(record["removed"], surd, "removed"),
        content=record[form],
    )


def parse_vectors(value: Any, surd: int | None, what: str) -> tuple[Vector, ...]:
    """Two or three independent vectors of as many coordinates.

    Raises
    ------
    RefusedError
        If they are something else.
    """
    rows = check_list(value, what)
    if len(rows) not in (2, 3):
        raise RefusedError(f"{what}: {len(rows)} vectors; 2 or 3 are expected")
    vectors = tuple(
        tuple(parse_number(x, surd, what) for x in check_list(row, what, len(rows))) for row in rows
    )
    if not determinant(vectors):
        raise RefusedError(f"{what}: the vectors are linearly dependent")
    return vectors


def _lattice(value: Any, surd: int | None) -> tuple[Vector, ...]:
    return parse_vectors(value, surd, "lattice")


def _surd(value: Any) -> int:
    n = check_integer(value, 2, MAX_SURD, "surd")
    if any(n % (d * d) == 0 for d in range(2, isqrt(n) + 1)):
        raise RefusedError(f"surd: {n} is not squarefree")
    return n


def _is_closed(value: Any, form: str) -> bool:
    allowed = ("half-open",) if form == "cells" else ("half-open", "closed")
    if value not in allowed:
        raise RefusedError(f"boundary: {shortened(value)}; allowed is {' or '.join(allowed)}")
    return value == "closed"


# --- forbidden distances ------------------------------------------------------------------------


def _forbidden(
    value: Any, colors: int, surd: int | None, norm: Norm
) -> tuple[tuple[Interval, ...], ...]:
    lists = [check_list(given, "forbidden") for given in check_list(value, "forbidden", colors)]
    for color, given in enumerate(lists):
        if not given:
            raise RefusedError(f"forbidden: color {color} has no interval")
    if sum(map(len, lists)) > MAX_INTERVALS:
        raise RefusedError(f"forbidden: more than {MAX_INTERVALS} intervals")
    return tuple(
        tuple(_interval(pair, surd, norm, color) for pair in given)
        for color, given in enumerate(lists)
    )


def _interval(value: Any, surd: int | None, norm: Norm, color: int) -> Interval:
    what = f"forbidden, color {color}"
    low, high = (_bound(x, surd, norm, what) for x in check_list(value, what, 2))
    if low.square > high.square:
        raise RefusedError(f"{what}: the interval {low.text} to {high.text} is the wrong way round")
    return Interval(low, high)


def _bound(value: Any, surd: int | None, norm: Norm, what: str) -> Bound:
    if isinstance(value, dict):
        if not norm.takes_squares:
            raise RefusedError(f"{what}: squares of distances are allowed in the Euclidean norm")
        given = check_keys(value, ("square",), what)["square"]
        square = parse_number(given, surd, what)
        bound = Bound(None, square, f"sqrt({_text(given)})")
    else:
        number = parse_number(value, surd, what)
        # The square of a negative number must not look like a distance.
        bound = Bound(number, number * number if number > 0 else number, _text(value))
    if not bound.square > 0:
        raise RefusedError(f"{what}: the distance {bound.text} is not positive")
    return bound


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " + ".join((shortened(value[0])[1:-1], shortened(value[1])[1:-1] + " sqrt(n)"))
    return shortened(value).strip("'")
