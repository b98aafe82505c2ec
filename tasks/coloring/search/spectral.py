"""The spectral loss: conflicts of a coloring of a torus, exactly, without sampling.

Let p_c(x) be the probability of color c at x in R^n / L, with Fourier coefficients p^_c(xi), and
let color c forbid differences with the characteristic function w_c (`measures`).  Then the expected
number of colors that a random point shares with its partner is

    E = sum_c E[p_c(x) p_c(x + r u)] = sum_c sum_xi |p^_c(xi)|^2 w_c(xi).

On a grid, p is the trigonometric polynomial through its values, and E is exact for it.

References
----------
The relaxation to probabilities: arXiv:2501.18527, section 3, where E is sampled.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tasks.coloring.certificates.distances import Forbidden
from tasks.coloring.certificates.norms import Norm
from tasks.coloring.search.waves import Waves


def spectral_loss(
    probabilities: Tensor,
    lattice: Tensor,
    forbidden: Forbidden,
    *,
    margin: float = 0.0,
    norm: Norm | None = None,
) -> Tensor:
    """E of one coloring, or of many with the same forbidden distances.

    Parameters
    ----------
    probabilities : Tensor (..., C, s_1, ..., s_n)
        At the points sum_a (i_a / s_a) v_a.  The first k of C colors forbid distances.
    lattice : Tensor float64 (..., n, n)
        Rows v_a.
    forbidden : Forbidden
        Of k colors.
    margin : float
        Relative.
    norm : Norm, optional
        Euclidean unless given.

    Returns
    -------
    Tensor (...)
        Differentiable once, in probabilities and lattice.
    """
    n = lattice.shape[-1]
    lattices = lattice.reshape(-1, n, n)
    p = probabilities.reshape(len(lattices), *probabilities.shape[-n - 1 :])
    waves = Waves([forbidden] * len(p), margin=margin, norm=norm, device=lattice.device)
    weights = doubled(waves(lattices, tuple(p.shape[2:])), p.dtype)
    conflict, _ = Conflict.apply(p, weights, forbidden.num_colors)
    return conflict.reshape(probabilities.shape[: -n - 1])


def doubled(waves: Tensor, dtype: torch.dtype) -> Tensor:
    """Weights (m, c, 2F) for real and imaginary parts of coefficients, which alternate."""
    return waves.to(dtype)[..., None].expand(*waves.shape, 2).flatten(-2)


class Conflict(torch.autograd.Function):
    """E (m,), and the mean (m, C - k) of every channel beyond the colors.

    Of p (m, C, ...), weights (m, 1 or k, 2F) as `doubled` gives them, and k.
    """

    @staticmethod
    def forward(ctx: Any, p: Tensor, weights: Tensor, num_colors: int) -> tuple[Tensor, Tensor]:
        """Transform the colors."""
        axes = tuple(range(2, p.ndim))
        found = torch.fft.rfftn(p[:, :num_colors], dim=axes, norm="forward")
        parts = torch.view_as_real(found).flatten(2)  # (m, k, 2F)
        weighted = parts * weights
        energies = _half_sum(parts * weighted, found.shape[-1], p.shape[-1])
        ctx.save_for_backward(weighted, parts if ctx.needs_input_grad[1] else None)
        ctx.sizes = p.shape, found.shape, weights.shape[1]
        return energies.sum(dim=1), p[:, num_colors:].flatten(2).mean(dim=2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Any) -> Any:  # pyrefly: ignore[bad-override]
        """Transform back what the weights left, which is half the derivative."""
        (by_conflict, by_means), (weighted, parts) = grad_outputs, ctx.saved_tensors
        shape, half, num_columns = ctx.sizes
        count, k = half[:2]
        num_points = torch.Size(shape[2:]).numel()
        by_weights, by_p = None, weighted.new_empty(shape)
        if parts is not None:
            squares = parts * parts
            squares = squares if num_columns > 1 else squares.sum(dim=1, keepdim=True)
            by_weights = _multiplied(squares, half[-1], shape[-1]) * by_conflict[:, None, None]
        scale = (2 / num_points) * by_conflict[:, None, None]
        spectrum = torch.view_as_complex((weighted * scale).reshape(*half, 2))
        axes = tuple(range(2, len(shape)))
        by_p[:, :k] = torch.fft.irfftn(spectrum, s=shape[2:], dim=axes, norm="forward")
        by_p[:, k:] = (by_means / num_points).reshape(count, -1, *[1] * len(axes))
        return by_p, by_weights, None


def _half_sum(terms: Tensor, columns: int, last: int) -> Tensor:
    """Sums (m, k) over all frequencies of terms (m, k, 2F) at those of a real transform."""
    return 2 * terms.sum(dim=2) - _edges(terms, columns, last).flatten(2).sum(dim=2)


def _multiplied(terms: Tensor, columns: int, last: int) -> Tensor:
    """Terms (m, c, 2F) times the number of frequencies that each stands for."""
    found = 2 * terms
    _edges(found, columns, last).mul_(0.5)
    return found


def _edges(terms: Tensor, columns: int, last: int) -> Tensor:
    """A view of the frequencies that stand for themselves alone, not for their negatives, too.

    They are the first column and, if the last axis is even, its last one.
    """
    table = terms.unflatten(2, (-1, columns, 2))
    return table[:, :, :, :1] if last % 2 else table[:, :, :, :: columns - 1]
