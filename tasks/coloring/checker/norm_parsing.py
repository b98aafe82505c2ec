"""The norm that a file states."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tasks.coloring.checker.documents import check_list
from tasks.coloring.checker.limits import MAX_BALL, MAX_EXPONENT
from tasks.coloring.checker.norms import Euclidean, Norm, Polygonal, Power
from tasks.coloring.checker.numbers import parse_number
from tasks.coloring.checker.vectors import Vector, cross, minus, plus
from tasks.coloring.checker.verdicts import RefusedError, shortened


def parse_norm(value: Any, surd: int | None, dimension: int) -> Norm:
    """The norm that a file states.

    Raises
    ------
    RefusedError
        If it is unknown, or not allowed in this dimension.
    """
    if value == "euclidean":
        return Euclidean()
    if not isinstance(value, dict) or len(value) != 1 or not value.keys() <= {"ball", "p"}:
        raise RefusedError("norm: allowed are 'euclidean', {'ball': vertices} and {'p': number}")
    if dimension != 2:
        raise RefusedError(f"norm: only 'euclidean' is allowed in dimension {dimension}")
    if "ball" in value:
        return Polygonal.of(_ball(value["ball"], surd))
    return _power(value["p"])


def _power(value: Any) -> Norm:
    p = parse_number(value, None, "norm, p")
    if not p >= 1 or max(p.numerator, p.denominator) > MAX_EXPONENT:
        raise RefusedError(
            f"norm: p is {shortened(value)}; allowed are quotients of integers up to "
            f"{MAX_EXPONENT} that are at least 1"
        )
    if p == 1:
        one = Fraction(1)
        return Polygonal.of([(one, 0 * one), (0 * one, one), (-one, 0 * one), (0 * one, -one)])
    return Power(p.numerator, p.denominator)


def _ball(value: Any, surd: int | None) -> list[Vector]:
    rows = check_list(value, "norm, ball")
    if not 4 <= len(rows) <= MAX_BALL or len(rows) % 2:
        raise RefusedError(
            f"norm: a ball of {len(rows)} vertices; allowed are 4, 6, ..., {MAX_BALL}"
        )
    ball = [
        tuple(parse_number(x, surd, "norm, ball") for x in check_list(row, "norm, ball", 2))
        for row in rows
    ]
    half = len(ball) // 2
    if any(plus(u, v) != (0, 0) for u, v in zip(ball[:half], ball[half:], strict=True)):
        raise RefusedError("norm: the ball is not symmetric about 0")
    # Half a turn and no more: from each vertex to the next and from the first to each.
    is_turning = all(cross(ball[k], ball[k + 1]) > 0 for k in range(half))
    sides = [minus(v, u) for u, v in zip(ball, ball[1:] + ball[:1], strict=True)]
    is_convex = all(cross(sides[k - 1], sides[k]) >= 0 for k in range(half))
    if not is_turning or not is_convex or any(cross(ball[0], u) <= 0 for u in ball[1:half]):
        raise RefusedError("norm: the ball is not convex with counterclockwise vertices")
    return ball
