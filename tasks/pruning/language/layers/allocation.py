"""A sparsity for every layer, by the errors that layers make.

Each layer has a curve: its relative error at several sparsities.  Of all sparsities within a band
around the target that leave as many weights in all, those with the least sum of errors are wanted.
For convex curves, straight between the points, the optimum has one price per weight: segments are
taken by rising slope per weight until enough weights are gone, the last one in part.  Curves are
replaced by their lower convex hulls before.

Rows keep whole numbers of weights; what rounding leaves over goes to the layers that lost most by
it, as long as the total is not exceeded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from torch import Tensor

from tasks.pruning.language.layers.gram import Gram
from tasks.pruning.language.layers.patterns import Pattern
from tasks.pruning.language.layers.pruning import LayerPruning, prune_layer
from tasks.records import InputError

__all__ = ["BAND", "ErrorCurve", "allocate", "error_curve", "sparsities_around"]

BAND = 0.15
"""How far a layer may be from the target."""
_HIGHEST = 0.99
_Point = tuple[float, float]


@dataclass(frozen=True)
class ErrorCurve:
    """Relative errors of a layer.

    Attributes
    ----------
    name : str
    rows, width : int
    sparsities, errors : tuple of float
        Sparsities rise.
    """

    name: str
    rows: int
    width: int
    sparsities: tuple[float, ...]
    errors: tuple[float, ...]

    @property
    def size(self) -> int:
        """Number of weights."""
        return self.rows * self.width


def sparsities_around(target: float, *, band: float = BAND, points: int = 7) -> tuple[float, ...]:
    """Sparsities of the band, evenly spaced, at which curves are measured."""
    low, high = _band(target, band)
    return tuple(float(s) for s in np.linspace(low, high, points))


def error_curve(
    name: str, weight: Tensor, gram: Gram, how: LayerPruning, sparsities: Sequence[float]
) -> ErrorCurve:
    """The curve of a layer (rows, inputs), pruned as asked for at each sparsity."""
    rows, width = weight.shape
    layers = (
        prune_layer(weight, gram, replace(how, pattern=Pattern(s), bounds=False))
        for s in sparsities
    )
    errors = tuple(layer.relative_error for layer in layers)
    return ErrorCurve(name, rows, width, tuple(sparsities), errors)


def allocate(
    curves: Sequence[ErrorCurve], target: float, *, band: float = BAND
) -> Mapping[str, float]:
    """Sparsity of every layer; as many weights stay as with the target for each, or a few less.

    A layer whose errors are not finite keeps the target.

    Raises
    ------
    InputError
        For a target outside [0, 1), or a curve that does not cover the band.
    """
    low, high = _band(target, band)
    known = [curve for curve in curves if np.isfinite(curve.errors).all()]
    hulls = {curve.name: _hull(curve, low, high) for curve in known}
    budget = (1 - low) * sum(curve.size for curve in known) - _num_kept(known, target)
    chosen = dict.fromkeys((curve.name for curve in curves), target)
    chosen.update(dict.fromkeys(hulls, low))
    segments = sorted(
        ((y2 - y1) / ((x2 - x1) * curve.size), x1, x2, number)
        for number, curve in enumerate(known)
        for (x1, y1), (x2, y2) in pairwise(hulls[curve.name])
    )
    for _, first, end, number in segments:
        curve = known[number]
        step = min(end - first, budget / curve.size)
        chosen[curve.name] += step
        budget -= step * curve.size
    return _whole(curves, chosen, target)


def _band(target: float, band: float) -> tuple[float, float]:
    if not 0 <= target < 1:
        raise InputError(f"the target is {target}; a sparsity lies in [0, 1)")
    return max(target - band, 0.0), max(min(target + band, _HIGHEST), target)


def _hull(curve: ErrorCurve, low: float, high: float) -> list[_Point]:
    """Corners of the lower convex hull of a curve within the band."""
    xs, ys = np.array(curve.sparsities), np.array(curve.errors)
    if len(xs) == 0 or xs[0] > low + 1e-9 or xs[-1] < high - 1e-9:
        raise InputError(
            f"the errors of {curve.name} are known from {xs.min(initial=1):g} to "
            f"{xs.max(initial=0):g}; measure them from {low:g} to {high:g}"
        )
    inside = xs[(xs > low) & (xs < high)]
    corners: list[_Point] = []
    for x in (low, *inside, high):
        point = (float(x), float(np.interp(x, xs, ys)))
        while len(corners) > 1 and _is_above(corners[-2], corners[-1], point):
            corners.pop()
        corners.append(point)
    return corners


def _is_above(first: _Point, middle: _Point, last: _Point) -> bool:
    """Whether the middle point lies on or above the line of the others."""
    (x1, y1), (x2, y2), (x3, y3) = first, middle, last
    return (y2 - y1) * (x3 - x1) >= (y3 - y1) * (x2 - x1)


def _whole(
    curves: Sequence[ErrorCurve], chosen: Mapping[str, float], target: float
) -> dict[str, float]:
    """Sparsities at which every row keeps a whole number of weights."""
    exact = {curve.name: (1 - chosen[curve.name]) * curve.width for curve in curves}
    kept = {name: max(int(number + 1e-9), 1) for name, number in exact.items()}
    left = _num_kept(curves, target) - sum(curve.rows * kept[curve.name] for curve in curves)
    for curve in sorted(curves, key=lambda curve: kept[curve.name] - exact[curve.name]):
        if curve.rows <= left and kept[curve.name] < curve.width:
            kept[curve.name] += 1
            left -= curve.rows
    return {curve.name: 1 - kept[curve.name] / curve.width for curve in curves}


def _num_kept(curves: Sequence[ErrorCurve], target: float) -> int:
    """Weights that stay with the target for each layer."""
    return sum(curve.rows * Pattern(target).num_kept(curve.width) for curve in curves)
