"""Measures of forbidden differences, by their characteristic functions.

A color that forbids distances [a, b] pays for pairs x, x + r u with u uniform on the unit sphere
and r uniform in [a (1 - m), b (1 + m)], m the margin.  The characteristic function of that measure,

    w(xi) = mean of exp(2 pi i r xi.u),

is what the spectral loss needs.  In the Euclidean norm it depends on t = |xi| only: it is the mean
over r of

    J0(2 pi r t) in the plane,        sin(2 pi r t) / (2 pi r t) in space,

read from tables of cubic interpolation; a distance d takes the table of distance 1 at d t.  In
other norms u / norm(u) takes the place of u, u uniform on the circle, and w is a sum over many
directions.

What a member gets depends on its own lattice alone, to the last bit: numbers of quadrature nodes
follow the powers of two above the frequencies, and a longer table begins as a shorter one does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import j0, j1
from torch import Tensor

from tasks.coloring.certificates.norms import Norm, PNorm, PolygonalNorm
from tasks.records import InputError

_KNOTS = 512
"""Of tables, for one oscillation of a wave: the error is below (2 pi / 512)^4 / 384 < 6e-11."""
_NODES = 12
"""Quadrature nodes beyond the half-range of the phase: the error is that of rounding."""


@dataclass(frozen=True)
class Ring:
    """Distances in [center (1 - width), center (1 + width)], uniform.

    Attributes
    ----------
    center : float
    width : float
        Relative.
    """

    center: float
    width: float

    @classmethod
    def of(cls, low: float, high: float, margin: float) -> Ring:
        """[low, high] with a margin on both sides."""
        low, high = low * (1 - margin), high * (1 + margin)
        # Rounded, so that equal widths of different distances share their table.
        return cls((low + high) / 2, round((high - low) / (high + low), 12))


@dataclass(frozen=True)
class RadialTable:
    """w of the distances [1 - width, 1 + width] between |xi| = 0, h, 2h, ..., as cubics.

    Attributes
    ----------
    cubics : Tensor float64 (q, 4)
        w((i + f) h) = c_0 + c_1 f + c_2 f^2 + c_3 f^3 with row i, f in [0, 1].
    step : float
        h.
    """

    cubics: Tensor
    step: float

    def at(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """w and w' at t, within the table."""
        place = t / self.step
        left = place.long()
        f = place - left
        c = self.cubics[left]
        value = c[..., 3] * f
        slope = 3 * value
        value = value.add_(c[..., 2]).mul_(f).add_(c[..., 1]).mul_(f).add_(c[..., 0])
        slope = slope.add_(c[..., 2], alpha=2).mul_(f).add_(c[..., 1])
        return value, slope.div_(self.step)


def octave(largest: float) -> int:
    """The least e >= 0 with 2^e above all frequencies."""
    return max(math.ceil(math.log2(largest * (1 + 1e-9))), 0) if largest > 1 else 0


@lru_cache(maxsize=256)
def radial_table(width: float, dimension: int, last: int, device: torch.device) -> RadialTable:
    """The table up to |xi| = 2^last."""
    step = 1 / (_KNOTS * (1 + width))
    t = np.arange(math.ceil(2**last / step) + 2) * step
    ends = [0.0, *(2.0**e for e in range(last + 1)), math.inf]
    parts = [
        _radial_mean(t[(t >= low) & (t < high)], width, dimension, 2.0**e)
        for e, (low, high) in enumerate(pairwise(ends))
    ]
    w, slope = np.concatenate(parts).T * [[1.0], [step]]
    rise = w[1:] - w[:-1]
    square = 3 * rise - 2 * slope[:-1] - slope[1:]
    cubics = np.stack([w[:-1], slope[:-1], square, slope[:-1] + slope[1:] - 2 * rise], axis=-1)
    return RadialTable(torch.from_numpy(cubics).to(device), step)


def _radial_mean(
    t: NDArray[np.float64], width: float, dimension: int, largest: float
) -> NDArray[np.float64]:
    """w and w' (q, 2) at t <= largest, by Gauss-Legendre over the distances."""
    if not width:
        return sphere_wave(t, dimension)
    count = _NODES + math.ceil(math.pi * width * largest)
    nodes, weights = np.polynomial.legendre.leggauss(count)
    found = np.zeros((len(t), 2))
    for radius, weight in zip(1 + width * nodes, weights / 2, strict=True):
        found += weight * sphere_wave(radius * t, dimension) * [1.0, radius]
    return found


def sphere_wave(t: NDArray[np.float64], dimension: int) -> NDArray[np.float64]:
    """The mean (q, 2) of exp(2 pi i xi.u) over the unit sphere, |xi| = t, and its slope.

    By SciPy: PyTorch's Bessel functions are wrong in the tenth digit and have no derivatives.
    """
    if dimension == 2:
        return np.stack([j0(2 * np.pi * t), -2 * np.pi * j1(2 * np.pi * t)], axis=-1)
    if dimension != 3:
        raise InputError(f"colorings are searched in dimension 2 and 3, not {dimension}")
    wave, positive = np.sinc(2 * t), np.where(t > 0, t, 1.0)
    return np.stack([wave, (np.cos(2 * np.pi * t) - wave) / positive * (t > 0)], axis=-1)


def directed_waves(xi: Tensor, ring: Ring, norm: Norm) -> Tensor:
    """w of a ring in any norm of the plane, differentiable.

    The mean over r is in closed form: that of cos(2 pi r s) is cos(2 pi c s) sinc(2 c width s).

    Parameters
    ----------
    xi : Tensor float64 (F, 2)
        Of one member.

    Returns
    -------
    Tensor (F,)
    """
    largest = float(xi.detach().norm(dim=-1).max()) * ring.center * (1 + ring.width)
    points, weights = _sphere_points(norm, octave(largest))
    v, shares = (torch.from_numpy(each).to(xi) for each in (points, weights))
    s = ring.center * (xi[:, :1] * v[:, 0] + xi[:, 1:] * v[:, 1])
    waves = torch.cos(2 * torch.pi * s) * torch.sinc(2 * ring.width * s)
    return (waves * shares).sum(dim=-1)


@lru_cache(maxsize=64)
def _sphere_points(norm: Norm, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Points u / norm(u) (q, 2) of half the circle, with weights, for |xi| <= 2^last.

    Gauss-Legendre on the arcs between the directions where the sphere may have corners.
    """
    corners, points, weights = _corners(norm), [], []
    reach = 2 * math.pi * 2.0**last * norm.radii[1]
    for start, end in zip(corners, [*corners[1:], corners[0] + math.pi], strict=True):
        count = 2 * _NODES + math.ceil(reach * (end - start) / 2)
        nodes, shares = np.polynomial.legendre.leggauss(count)
        angles = (start + end) / 2 + (end - start) / 2 * nodes
        circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        points.append(circle / lengths(norm, torch.from_numpy(circle)).numpy()[:, None])
        weights.append(shares * (end - start) / (2 * math.pi))
    return np.concatenate(points), np.concatenate(weights)


def lengths(norm: Norm, u: Tensor) -> Tensor:
    """Norms (...) of vectors (..., n)."""
    if isinstance(norm, PolygonalNorm):
        y, top = (torch.from_numpy(each).to(u) for each in norm.float_normals)
        return ((u[..., None, :] * y).sum(dim=-1).abs() / top).amax(dim=-1)
    order = norm.exponents[0] if isinstance(norm, PNorm) else 2.0
    return torch.linalg.vector_norm(u, ord=order, dim=-1)


def _corners(norm: Norm) -> list[float]:
    """Increasing angles within half a turn: of vertices, and multiples of pi/4 for p-norms."""
    if isinstance(norm, PolygonalNorm):
        half = [[float(x) for x in vertex] for vertex in norm.vertices[: len(norm.vertices) // 2]]
        angles = [math.atan2(y, x) for x, y in half]
        return [angle + 2 * math.pi * (angle < angles[0]) for angle in angles]
    if isinstance(norm, PNorm):
        return [j * math.pi / 4 for j in range(4)]
    return [0.0]
