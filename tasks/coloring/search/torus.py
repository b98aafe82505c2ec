"""Colorings of tori on grids: logits, and a lattice that can be learned, of m members together.

Mirror descent.  Under the entropy of p = softmax(L), a step of mirror descent along the gradient G
of a loss in p is L <- L - rate G: the gradient in p, taken as if it were that in L.  It does not
vanish where a color is almost certain, which is where plain gradients of L get stuck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tasks.coloring.search.spectral import Conflict, doubled
from tasks.coloring.search.waves import Waves


class TorusLogits(nn.Module):
    """Logits on grids of tori.

    Parameters
    ----------
    logits : Tensor float32 (m, C, s_1, ..., s_n)
        The first k channels are colors; a further one is "removed".
    lattices : Tensor float64 (m, n, n)
        Rows are basis vectors.
    waves : Waves
        What the members forbid.
    """

    def __init__(self, logits: Tensor, lattices: Tensor, waves: Waves) -> None:
        super().__init__()
        self.logits, self.lattice = nn.Parameter(logits), nn.Parameter(lattices)
        self.waves = waves
        self._known: tuple[int, Tensor] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the grid."""
        return tuple(self.logits.shape[2:])

    def probabilities(self, *, mirror: bool = False) -> Tensor:
        """p (m, C, ...); with `mirror`, gradients in p become those in the logits."""
        if mirror:
            return _MirrorSoftmax.apply(self.logits)
        return torch.softmax(self.logits, dim=1)

    def weights(self, *, learned: bool) -> Tensor:
        """Weights of the frequencies; kept for as long as the lattices stand still."""
        if learned:
            return doubled(self.waves(self.lattice, self.shape), self.logits.dtype)
        version = self.lattice._version
        if self._known is None or self._known[0] != version:
            with torch.no_grad():
                found = doubled(self.waves(self.lattice, self.shape), self.logits.dtype)
            self._known = version, found.contiguous()
        return self._known[1]


class _MirrorSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor) -> Tensor:
        return torch.softmax(logits, dim=1)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        return grad_outputs[0]


@dataclass(frozen=True)
class Phase:
    """What a step is to do; the batches of `fit`.

    Attributes
    ----------
    progress : float
        Of the penalty, from 0 at its start to 1 at that of the member.
    learns_lattice : bool
    """

    progress: float
    learns_lattice: bool


class TorusLoss:
    """E + lambda (share removed), of every member.

    The penalty goes from a common start, geometrically, to that of the member: a high one lets all
    points take colors, and a low one removes those that conflict.

    Parameters
    ----------
    penalties : sequence of float (m,)
        Positive if there is a channel beyond the colors.
    first_penalty : float
    num_colors : int
    mirror : bool
        Mirror descent, rather than the gradient.
    """

    def __init__(
        self,
        penalties: Sequence[float],
        *,
        first_penalty: float,
        num_colors: int,
        mirror: bool = True,
        device: torch.device | None = None,
    ) -> None:
        self.penalties, self.first_penalty = tuple(penalties), first_penalty
        self.num_colors, self.mirror, self.device = num_colors, mirror, device

    def __call__(self, model: Any, phase: Phase) -> tuple[Tensor, dict[str, Tensor]]:
        """Losses (m,) of `TorusLogits`, and as terms E and the shares removed."""
        p = model.probabilities(mirror=self.mirror)
        weights = model.weights(learned=phase.learns_lattice)
        conflict, rest = Conflict.apply(p, weights, self.num_colors)
        removed = rest.sum(dim=1)
        loss = conflict + self.prices(phase.progress).to(removed) * removed
        return loss, {"conflict": conflict, "removed": removed}

    def prices(self, progress: float) -> Tensor:
        """Lambda of all members, float64 (m,); by Python, whose powers are those of one member."""
        of = {
            last: self.first_penalty ** (1 - progress) * last**progress for last in self.penalties
        }
        prices = [of[last] for last in self.penalties]
        return torch.tensor(prices, dtype=torch.float64, device=self.device)


def resampled(logits: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The trigonometric polynomials through logits (..., s_1, ..., s_n), on a finer grid.

    Where an axis is even, its highest frequency is split between both signs.
    """
    found, axes = logits.double(), len(shape)
    for axis, size in zip(range(-axes, 0), shape, strict=True):
        found = _resampled_axis(found.movedim(axis, -1), size).movedim(-1, axis)
    return found.to(logits.dtype).contiguous()


def _resampled_axis(values: Tensor, size: int) -> Tensor:
    count = values.shape[-1]
    if size < count:
        raise ValueError(f"a grid of {count} points is refined, not coarsened to {size}")
    spectrum = torch.fft.rfft(values, dim=-1, norm="forward")
    if count % 2 == 0 and size > count:
        spectrum[..., -1] *= 0.5
    return torch.fft.irfft(spectrum, n=size, dim=-1, norm="forward")
