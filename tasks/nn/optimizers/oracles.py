"""Extreme points of stacks of matrices, by the iterations of `gpu.polar` and `gpu.power`.

What the power iteration starts from is kept with the weight; its random columns are a function of
the step's number, so that a resumed training draws the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gpu.polar import by_express, by_svd, polar_factor
from gpu.power import Leading, leading
from tasks.nn.optimizers.settings import Oracle
from tasks.nn.regions import Region
from tasks.records import InputError

FIRST_ROUNDS = 4
"""Rounds of power iteration where nothing is known yet."""
NEWTON_SCHULZ = (3.4445, -4.775, 2.0315)
"""Muon's polynomial (Jordan et al. 2024)."""
POWER = ("nuclear", "spectral_k_sparse", "spectral_k_support")
MATRICES = ("spectral", *POWER)
WARM_ROWS = 8
"""Singular vectors that are followed for one: the first converges as fast as the ninth is small."""
SMALLEST_SHARE = 4
"""Power iteration pays if it wants at most this part of the singular vectors."""


@dataclass(frozen=True)
class RankOne:
    """Matrices left @ right, never formed.

    Attributes
    ----------
    left : Tensor (B, ..., m, 1)
    right : Tensor (B, ..., 1, n)
        Of length 1.
    """

    left: Tensor
    right: Tensor


@dataclass(frozen=True)
class Vertices:
    """Extreme points (B, ..., m, n) of radius 1, and where the next iteration starts.

    Attributes
    ----------
    points : Tensor or RankOne
    starts : Tensor or None
        (B, ..., k, n).
    """

    points: Tensor | RankOne
    starts: Tensor | None = None


def needs_start(region: Region, points: tuple[int, ...], oracle: Oracle) -> bool:
    """Whether the vertices of a region are found by power iteration.

    Raises
    ------
    InputError
        If the region has no such oracle.
    """
    if oracle == "exact":
        return False
    if oracle == "power" and region.name not in POWER:
        raise InputError(f"oracle power is for {', '.join(POWER)}, not for {region.name}")
    if oracle in ("express", "newton_schulz") and region.name != "spectral":
        raise InputError(f"oracle {oracle} is for spectral, not for {region.name}")
    if region.name not in POWER:
        return False
    rank = getattr(region, "k", 1)
    return oracle == "power" or SMALLEST_SHARE * (rank + 1) <= min(points[-2:])


def num_rows(region: Region, points: tuple[int, ...]) -> int:
    """Singular vectors that a power iteration follows."""
    count = WARM_ROWS if region.name == "nuclear" else getattr(region, "k", 1)
    return min(count, *points[-2:])


def vertices(
    region: Region,
    directions: Tensor,
    starts: Tensor | None,
    oracle: Oracle,
    step: int,
    rounds: int = 1,
) -> Vertices:
    """Extreme points of the region of radius 1.

    Parameters
    ----------
    region : Region
    directions : Tensor (B, ..., m, n)
        Or of vectors, (B, ..., n).
    starts : Tensor (B, ..., k, n) or None
        From the last step; not looked at in the first one.
    oracle : str
    step : int
        Number of steps taken; seeds the random columns.
    rounds : int
        Of a power iteration, after the first step.
    """
    unit = replace(region, radius=1.0)
    if starts is not None:
        return _by_power(unit, directions, starts, step, rounds if step else FIRST_ROUNDS)
    if region.name != "spectral":
        return Vertices(unit.extreme_point(directions))
    return Vertices(_where_zero(unit, directions, -_polar(_scaled(directions), oracle)))


def _polar(scaled: Tensor, oracle: Oracle) -> Tensor:
    if oracle == "exact":
        return by_svd(scaled)
    if oracle == "express":
        return by_express(scaled)
    if oracle == "newton_schulz":
        return _newton_schulz(scaled)
    return polar_factor(scaled)


def _newton_schulz(matrices: Tensor) -> Tensor:
    """Muon's five steps in bfloat16; singular values from 0.7 to 1.2."""
    wide = matrices.mT if matrices.shape[-2] > matrices.shape[-1] else matrices
    x = wide.bfloat16()
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    a, b, c = NEWTON_SCHULZ
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if matrices.shape[-2] > matrices.shape[-1] else x).to(matrices.dtype)


def _by_power(
    region: Region, directions: Tensor, starts: Tensor, step: int, rounds: int
) -> Vertices:
    generator = torch.Generator(starts.device).manual_seed(step)
    # The same for all matrices of a stack: whether one is moved with others changes nothing.
    count, size = starts.shape[-2:]
    drawn = torch.randn(1 if step else count + 1, size, generator=generator, device=starts.device)
    drawn = drawn.to(starts.dtype).expand(*starts.shape[:-2], *drawn.shape)
    begin, extra = starts if step else drawn[..., 1:, :], drawn[..., :1, :]
    if starts.dim() == 3 and len(starts) == 1:
        one = leading(directions[0], begin[0], extra[0], rounds)
        found = Leading(one.left[None], one.rows[None])
    else:
        found = leading(directions, begin, extra, rounds)
    used = getattr(region, "k", 1)
    left, rows = found.left[..., :used], found.rows[..., :used, :]
    if region.at_zero == "vertex":
        left, rows = _some(left, rows)
    return Vertices(_vertex(region, -left, rows), found.rows)


def _vertex(region: Region, left: Tensor, rows: Tensor) -> Tensor | RankOne:
    """The vertex for left @ rows, of the rank of the iteration."""
    if region.name == "spectral_k_sparse":
        return left @ by_express(rows)
    lengths = rows.norm(dim=(-2, -1), keepdim=True)
    right = rows / torch.where(lengths > 0, lengths, torch.ones_like(lengths))
    return RankOne(left, right) if right.shape[-2] == 1 else left @ right


def _some(left: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Where a direction is 0 the first entries of the diagonal: some vertex."""
    is_zero = (rows == 0).all(dim=-1, keepdim=True).all(dim=-2, keepdim=True)
    count, (m, n) = rows.shape[-2], (left.shape[-2], rows.shape[-1])
    options = {"dtype": rows.dtype, "device": rows.device}
    first, second = torch.eye(m, count, **options), torch.eye(count, n, **options)
    return torch.where(is_zero, first, left), torch.where(is_zero, second, rows)


def _where_zero(region: Region, directions: Tensor, vertices: Tensor) -> Tensor:
    """Of the direction 0 some vertex, or 0 if the region says so: of polynomials it is neither."""
    size = directions.abs().amax(dim=(-2, -1), keepdim=True)
    usual = torch.zeros_like(vertices)
    if region.at_zero == "vertex":
        usual.diagonal(dim1=-2, dim2=-1).fill_(1)
    return torch.where(size > 0, vertices, usual)


def _scaled(directions: Tensor) -> Tensor:
    size = directions.abs().amax(dim=(-2, -1), keepdim=True)
    return directions / torch.where(size > 0, size, torch.ones_like(size))
