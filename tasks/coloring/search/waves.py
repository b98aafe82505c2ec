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
    """

    width: float
    members: Tensor
    columns: Tensor
    centers: Tensor


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
        n = len(f)
        squares = sum(dual[:, i, j, None] * (f[i] * f[j]) for i in range(n) for j in range(n))
        t = torch.as_tensor(squares).clamp(min=0.0).sqrt()
        found = t.new_zeros(waves.count, waves.num_columns, t.shape[1])
        slopes = []
        for part in waves.parts:
            own = t[part.members] * part.centers
            table = radial_table(part.width, n, octave(float(own.max())), t.device)
            values, slope = table.at(own)
            found.index_put_((part.members, part.columns), values, accumulate=True)
            slopes.append(slope * part.centers)
        ctx.save_for_backward(lattices, dual, f, t, *slopes)
        ctx.parts = waves.parts
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:  # pyrefly: ignore[bad-override]
        lattices, dual, f, t, *slopes = ctx.saved_tensors
        by_square = torch.zeros_like(t)
        for part, slope in zip(ctx.parts, slopes, strict=True):
            each = grad_outputs[0][part.members, part.columns] * slope
            by_square.index_put_((part.members,), each, accumulate=True)
        # dE / d|xi|^2; frequency 0 is the first, and does not move.
        by_square = by_square / (2 * t).clamp(min=torch.finfo(t.dtype).tiny)
        by_square[:, 0] = 0.0
        rows = [torch.stack([(by_square * (a * b)).sum(dim=1) for b in f], dim=1) for a in f]
        pulled = _product(_product(dual, torch.stack(rows, dim=1)), dual)
        return -2 * _product(pulled, lattices), None, None


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
        rows_of, columns_of = (torch.tensor(each, device=device) for each in (members, columns))
        column = torch.tensor(centers, dtype=torch.float64, device=device)[:, None]
        parts.append(_Rings(width, rows_of, columns_of, column))
    return parts
