"""Characteristic functions of what many members forbid, on the dual lattices of their tori.

The torus R^n / L, with the rows of V (n, n) as a basis of L, has the frequencies xi = V^-1 f for
integer f.  With A = V V^T,

    |xi|^2 = f^T A^-1 f,        d|xi|^2 / dV = -2 (A^-1 f) (A^-1 f)^T V.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tasks.coloring.certificates.distances import Forbidden
from tasks.coloring.certificates.norms import Euclidean, Norm
from tasks.coloring.search.measures import Ring, directed_waves, octave, radial_table
from tasks.records import InputError

CPU = torch.device("cpu")
LARGEST = 512.0
"""Oscillations within a forbidden distance, beyond which w is not known: NaN for all of a member.

No grid needs them; lattices that collapse do."""


@lru_cache(maxsize=64)
def frequencies(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Integer frequencies f of a real transform on a grid, float64 (n, F), in its order."""
    axes = [torch.fft.fftfreq(count, 1 / count, dtype=torch.float64) for count in shape[:-1]]
    axes.append(torch.arange(shape[-1] // 2 + 1, dtype=torch.float64))
    grid = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([each.flatten() for each in grid]).to(device)


@dataclass(frozen=True)
class _Rings:
    """Rings of one width, at most one for each member and column.

    Attributes
    ----------
    width : float
    members, columns : Tensor int64 (r,)
    centers : Tensor float64 (r, 1)
    is_whole : bool
        Each member has one, for the only column.
    """

    width: float
    members: Tensor
    columns: Tensor
    centers: Tensor
    is_whole: bool


class Waves:
    """w of every member and color, as a function of the lattices.

    Parameters
    ----------
    forbidden : sequence of Forbidden
        Of m members, all with k colors.
    margin : float
        Relative, in [0, 1).
    norm : Norm
    device : torch.device

    Attributes
    ----------
    num_columns : int
        1 if all colors of each member forbid the same, else k.
    """

    def __init__(
        self,
        forbidden: Sequence[Forbidden],
        *,
        margin: float = 0.0,
        norm: Norm | None = None,
        device: torch.device = CPU,
    ) -> None:
        if not 0 <= margin < 1:
            raise InputError(f"a margin of {margin}: give a number in [0, 1)")
        self.norm = Euclidean() if norm is None else norm
        self.count = len(forbidden)
        is_same = all(len(set(each.intervals)) == 1 for each in forbidden)
        self.num_columns = 1 if is_same else forbidden[0].num_colors
        self.parts = _parts(forbidden, self.num_columns, margin, device)

    def __call__(self, lattices: Tensor, shape: tuple[int, ...]) -> Tensor:
        """w at the frequencies of a grid: float64 (m, 1 or k, F), differentiable once.

        Parameters
        ----------
        lattices : Tensor float64 (m, n, n)
            Rows are basis vectors.
        shape : tuple of int (n,)
        """
        self.norm.check_dimension(len(shape))
        f = frequencies(shape, lattices.device)
        if isinstance(self.norm, Euclidean):
            return _RadialWaves.apply(lattices, f, self)
        return self._directed(lattices, f)

    def _directed(self, lattices: Tensor, f: Tensor) -> Tensor:
        duals = torch.stack([torch.linalg.inv(lattice) for lattice in lattices])
        xi = (duals[..., None] * f).sum(dim=2).mT  # (m, F, n)
        found = xi.new_zeros(self.count, self.num_columns, f.shape[1])
        for part in self.parts:
            rows = zip(part.members.tolist(), part.centers.flatten().tolist(), strict=True)
            waves = [directed_waves(xi[j], Ring(c, part.width), self.norm) for j, c in rows]
            where = (part.members, part.columns)
            found = found.index_put(where, torch.stack(waves), accumulate=True)
        return found


class _RadialWaves(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, lattices: Tensor, f: Tensor, waves: Waves) -> Tensor:
        dual = torch.linalg.inv(_product(lattices, lattices.mT))
        t = _lengths(dual, f)
        values, slopes = zip(*(_rows(part, t, len(f)) for part in waves.parts), strict=True)
        ctx.save_for_backward(lattices, dual, f, t, *slopes)
        ctx.parts = waves.parts
        if len(values) == 1 and waves.parts[0].is_whole:
            return values[0][:, None]
        found = t.new_zeros(waves.count, waves.num_columns, t.shape[1])
        for part, each in zip(waves.parts, values, strict=True):
            found.index_put_((part.members, part.columns), each, accumulate=True)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Any) -> Any:  # pyrefly: ignore[bad-override]
        lattices, dual, f, t, *slopes = ctx.saved_tensors
        by_length = torch.zeros_like(t)
        for part, slope in zip(ctx.parts, slopes, strict=True):
            if part.is_whole:
                by_length += grad_outputs[0][:, 0] * slope
            else:
                each = grad_outputs[0][part.members, part.columns] * slope
                by_length.index_put_((part.members,), each, accumulate=True)
        # dE / d|xi|^2; frequency 0 is the first, and does not move.
        by_square = by_length / (2 * t).clamp_(min=torch.finfo(t.dtype).tiny)
        by_square[:, 0] = 0.0
        rows = [torch.stack([(by_square * (a * b)).sum(dim=1) for b in f], dim=1) for a in f]
        pulled = _product(_product(dual, torch.stack(rows, dim=1)), dual)
        return -2 * _product(pulled, lattices), None, None


def _lengths(dual: Tensor, f: Tensor) -> Tensor:
    """|xi| (m, F) of the frequencies f (n, F)."""
    n = len(f)
    squares = dual[:, :1, 0] * (f[0] * f[0])
    for i in range(n):
        for j in range(max(i, 1), n):
            squares += dual[:, i, j, None] * (f[i] * f[j] * (1.0 if i == j else 2.0))
    return squares.clamp_(min=0.0).sqrt_()


def _rows(part: _Rings, t: Tensor, dimension: int) -> tuple[Tensor, Tensor]:
    """w and dw / d|xi| (r, F) of the rings of a part."""
    own = (t if part.is_whole else t[part.members]) * part.centers
    # NaN, too, is not within: the member ends as one whose loss is not finite.
    is_within = own.amax(dim=1, keepdim=True) <= LARGEST
    own = own.where(is_within, 0.0)
    table = radial_table(part.width, dimension, octave(float(own.max())), t.device)
    values, slopes = table.at(own)
    return values.where(is_within, torch.nan), slopes.mul_(part.centers)


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Matrix products; those of PyTorch depend on how many there are, in the last bit."""
    return (a[..., None] * b[..., None, :, :]).sum(dim=-2)


def _parts(
    forbidden: Sequence[Forbidden], num_columns: int, margin: float, device: torch.device
) -> list[_Rings]:
    found: dict[tuple[float, int], list[tuple[int, int, float]]] = defaultdict(list)
    for j, each in enumerate(forbidden):
        for column in range(num_columns):
            rings = [Ring.of(*interval.floats, margin) for interval in each[column]]
            seen: Counter[float] = Counter()
            for ring in sorted(rings, key=lambda ring: (ring.width, ring.center)):
                found[ring.width, seen[ring.width]].append((j, column, ring.center))
                seen[ring.width] += 1
    parts = []
    for (width, _), rows in sorted(found.items()):
        members, columns, centers = zip(*rows, strict=True)
        places = [torch.tensor(each, device=device) for each in (members, columns)]
        column = torch.tensor(centers, dtype=torch.float64, device=device)[:, None]
        is_whole = num_columns == 1 and len(rows) == len(forbidden)
        parts.append(_Rings(width, places[0], places[1], column, is_whole))
    return parts
