"""Basic closed semialgebraic sets {x : g_i(x) >= 0, h_k(x) = 0}, and points in them.

Minimizers of a polynomial on a set are searched in floats by sequential quadratic programming.
Rational points of the set are found near them by rounding; where a quadric must be hit exactly, by
a line through a known rational point of it, whose second intersection is rational too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain

import numpy as np
from flint import fmpq
from numpy.typing import NDArray
from scipy.optimize import minimize

from tasks.records import InputError, stream
from tasks.sos.polynomials.polynomial import Polynomial, power_of_two, rational
from tasks.sos.proofs.negativity import Point, is_near, random_points

NUM_STARTS = 24
FEASIBLE = 1e-7
"""Violation, relative to the size of the terms, up to which a float point counts as feasible."""
SAME = 1e-5
"""Relative distance at which two minimizers are one."""
DENOMINATORS = (1, 2, 6, 16, 120, 1 << 10, 1 << 16, 1 << 24, 1 << 32, 1 << 44)
"""Largest denominators of rational points near a float point, tried in this order."""
INWARD = (-40, -32, -24, -16, -8)
"""Logarithms of the distances by which points at the boundary are moved into the set."""


@dataclass(frozen=True)
class SemialgebraicSet:
    """The points with all inequalities g >= 0 and all equalities h = 0.

    Attributes
    ----------
    variables : tuple of str
    inequalities, equalities : tuple of Polynomial
        In these variables, none of them constant.
    """

    variables: tuple[str, ...]
    inequalities: tuple[Polynomial, ...] = ()
    equalities: tuple[Polynomial, ...] = ()

    @classmethod
    def of(
        cls,
        variables: Sequence[str],
        inequalities: Iterable[Polynomial] = (),
        equalities: Iterable[Polynomial] = (),
    ) -> SemialgebraicSet:
        """Check the constraints; constants that hold are left out.

        Raises
        ------
        InputError
            If the variables differ, or a constant constraint fails.
        """
        names = tuple(variables)
        given = list(inequalities), list(equalities)
        for kind, polynomials in zip(("inequality", "equality"), given, strict=True):
            for k, g in enumerate(polynomials):
                _check_constraint(f"{kind} {k}", g, names)
        kept = [tuple(g for g in polynomials if g.degree > 0) for polynomials in given]
        return cls(names, *kept)

    @property
    def constraints(self) -> tuple[Polynomial, ...]:
        """Inequalities, then equalities."""
        return self.inequalities + self.equalities

    def contains(self, point: Sequence[fmpq]) -> bool:
        """Whether a rational point is in the set; exact."""
        return all(g.evaluate(point) >= 0 for g in self.inequalities) and all(
            h.evaluate(point) == 0 for h in self.equalities
        )

    def violation(self, x: NDArray[np.float64]) -> float:
        """Largest violation of a constraint at a point, relative to the sizes of its terms."""
        worst = 0.0
        for k, g in enumerate(self.constraints):
            value = float(g.evaluate_floats(x))
            miss = abs(value) if k >= len(self.inequalities) else max(0.0, -value)
            worst = max(worst, miss / _size(g, x))
        return worst

    def active(self, x: NDArray[np.float64], *, tolerance: float = 1e-5) -> list[Polynomial]:
        """Constraints that hold with equality at a feasible float point."""
        tight = [
            g
            for g in self.inequalities
            if abs(float(g.evaluate_floats(x))) <= tolerance * _size(g, x)
        ]
        return [*tight, *self.equalities]


def _check_constraint(name: str, g: Polynomial, variables: tuple[str, ...]) -> None:
    if g.variables != variables:
        raise InputError(
            f"{name} is in the variables {', '.join(g.variables)}, the polynomial in "
            f"{', '.join(variables)}: give all in the same variables in the same order"
        )
    value = g.coefficient((0,) * len(variables))
    fails = value < 0 if name.startswith("inequality") else value != 0
    if g.degree <= 0 and fails:
        sign = ">=" if name.startswith("inequality") else "="
        raise InputError(f"{name} says {value} {sign} 0: the set is empty; remove or mend it")


def _size(g: Polynomial, x: NDArray[np.float64]) -> float:
    """1 + sum of the absolute values of the terms."""
    absolute = Polynomial.from_arrays(g.variables, g.exponents, [abs(c) for c in g.coefficients])
    return 1.0 + float(absolute.evaluate_floats(np.abs(x)))


# --- search in floats ---------------------------------------------------------------------------


def local_minimizers(
    objective: Polynomial,
    region: SemialgebraicSet,
    hints: Iterable[NDArray[np.float64]] = (),
    *,
    num_starts: int = NUM_STARTS,
    seed: int = 0,
) -> list[NDArray[np.float64]]:
    """Feasible points found by local minimization, best first; near copies are left out."""
    scale = float(np.abs(objective.float_coefficients()).max(initial=0.0)) or 1.0
    call = _float_function(objective / power_of_two(int(np.floor(np.log2(scale)))))
    constraints = [
        {"type": kind, "fun": function.value, "jac": function.gradient}
        for kind, polynomials in (("ineq", region.inequalities), ("eq", region.equalities))
        for function in map(_float_function, polynomials)
    ]
    found: list[tuple[float, NDArray[np.float64]]] = []
    rng = stream(seed, "local-minimizers")
    for start in chain(hints, random_points(rng, len(region.variables), num_starts)):
        x = _minimized(call, constraints, start)
        if x is None or region.violation(x) > FEASIBLE:
            continue
        if not any(is_near(x, y, SAME) for _, y in found):
            found.append((call.value(x), x))
    return [x for _, x in sorted(found, key=lambda pair: pair[0])]


class _float_function:  # noqa: N801 - a function with two methods
    """A polynomial and its gradient in floats."""

    def __init__(self, polynomial: Polynomial) -> None:
        self._polynomial = polynomial
        self._gradient = polynomial.gradient()

    def value(self, x: NDArray[np.float64]) -> float:
        return float(self._polynomial.evaluate_floats(x))

    def gradient(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([float(part.evaluate_floats(x)) for part in self._gradient])


def _minimized(
    call: _float_function, constraints: list[dict], start: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """One local search; None if it left the finite numbers."""
    method, options = ("SLSQP", {"maxiter": 200, "ftol": 1e-14})
    if not constraints:
        method, options = ("BFGS", {"gtol": 1e-10})
    with np.errstate(over="ignore", invalid="ignore"):
        found = minimize(
            call.value,
            start,
            jac=call.gradient,
            method=method,
            constraints=constraints,
            options=options,
        )
    return found.x if np.isfinite(found.x).all() and np.abs(found.x).max() < 1e12 else None


# --- rational points ----------------------------------------------------------------------------


def rational_points(region: SemialgebraicSet, x: NDArray[np.float64]) -> Iterator[Point]:
    """Points of the set close to a float point, the simplest first, the closest last."""
    seen = set()
    for limit in DENOMINATORS:
        rounded = [Fraction(value).limit_denominator(limit) for value in x.tolist()]
        point = tuple(map(rational, rounded))
        for candidate in (point, _on_quadric(region, point)):
            if candidate is None or str(candidate) in seen or not region.contains(candidate):
                continue
            seen.add(str(candidate))
            yield candidate


def _inward(region: SemialgebraicSet, x: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """The point, then points where the active inequalities are a little larger."""
    yield x
    slopes = [
        np.array([float(part.evaluate_floats(x)) for part in g.gradient()])
        for g in region.active(x)[: len(region.active(x)) - len(region.equalities)]
    ]
    lengths = [float(np.linalg.norm(slope)) for slope in slopes]
    if not slopes or region.equalities or min(lengths) == 0.0:
        return
    # All active inequalities grow along d if the slopes d = 1 they ask for can be had.
    rows = np.array([slope / length for slope, length in zip(slopes, lengths, strict=True)])
    direction = np.linalg.lstsq(rows, np.ones(len(rows)), rcond=None)[0]
    for exponent in INWARD:
        yield x + 2.0**exponent * direction


def _on_quadric(region: SemialgebraicSet, near: Point) -> Point | None:
    """Rational point of the only equality, if that has degree 2, close to a rational point.

    The line from a simple rational point z of the quadric to `near` meets it once more, at z + s d
    with s = -(grad h(z) d) / (d'Hd / 2).
    """
    if len(region.equalities) != 1 or region.equalities[0].degree != 2:
        return None
    [h] = region.equalities
    anchor = _simple_zero(h, near)
    if anchor is None:
        return None
    direction = [a - b for a, b in zip(near, anchor, strict=True)]
    at = [h.evaluate([z + s * d for z, d in zip(anchor, direction, strict=True)]) for s in (1, -1)]
    slope, curvature = (at[0] - at[1]) / 2, (at[0] + at[1]) / 2
    if curvature == 0:
        return None
    s = -slope / curvature
    return tuple(z + s * d for z, d in zip(anchor, direction, strict=True))


def _simple_zero(h: Polynomial, near: Point) -> Point | None:
    """A zero with coordinates -1, 0, 1 and at most two of them not 0, far from a given point."""
    n = h.num_variables
    best: tuple[fmpq, Point] | None = None
    for i in range(n):
        for j in range(i, n):
            for a, b in ((1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)):
                point = [fmpq(0)] * n
                point[j] = fmpq(b)
                point[i] = fmpq(a)
                if h.evaluate(point) != 0:
                    continue
                distance = sum(((p - q) ** 2 for p, q in zip(point, near, strict=True)), fmpq(0))
                if best is None or distance > best[0]:
                    best = distance, tuple(point)
    return None if best is None else best[1]


def best_rational_point(
    objective: Polynomial, region: SemialgebraicSet, places: Iterable[NDArray[np.float64]]
) -> tuple[Point, fmpq] | None:
    """Rational point of the set with the least value near given float points; exact."""
    best: tuple[Point, fmpq] | None = None
    for x in chain.from_iterable(_inward(region, x) for x in places):
        for point in rational_points(region, x):
            value = objective.evaluate(point)
            if best is None or value < best[1]:
                best = point, value
    return best


def negative_point(
    objective: Polynomial, region: SemialgebraicSet, places: Iterable[NDArray[np.float64]]
) -> Point | None:
    """A simple rational point of the set with a negative value, near given ones; exact."""
    for x in chain.from_iterable(_inward(region, x) for x in places):
        for point in rational_points(region, x):
            if objective.evaluate(point) < 0:
                return point
    return None
