"""Positive definite Gram matrices for many small problems at once.

A problem is a symmetric table of classes and one coefficient per class; wanted is a symmetric
matrix Q > 0 whose entries of every class add up to the coefficient of the class.  Let L be the
affine space of those equations, P_L the projection onto it (every entry of a class is corrected by
the same amount) and D the projection onto its directions.

Start at P_L(1.5 mu I), mu the mean eigenvalue of the matrix of L closest to 0.  As long as the
lowest eigenvalue of Q is negative, aim at the level t = share * |lowest eigenvalue| above 0: with
eigenpairs (w_i, v_i) and

    G = sum_i max(t - w_i, 0) v_i v_i',

every X >= t I satisfies <G, X - Q> >= |G|^2 (project Q onto {X >= t I}).  Within L this cut is the
half-space <D G, X - Q> >= |G|^2.  The next Q is the point closest to the last one in the
intersection of the last two cuts; with one cut alone it is Q + |G|^2 / |D G|^2 D G, an alternating
projection that is extrapolated by the squared ratio of the lengths.  Since t is positive, a limit
point is not only approached: full-rank problems end after a few steps, most after 1 to 5.  Problems
whose Gram matrices are all singular never end; they run into the limit on steps.

A matrix is *certified* if Cholesky's method runs to its end on Q - s I, where s covers

    m max_s |r_s| / n_s  +  4 m (m + 3) u max|Q|,    u = 2**-53,

with r_s what is missing in class s of n_s entries, as computed.  Distributing r_s changes Q by at
most m max |r_s| / n_s in the spectral norm; rounding errors in r_s add at most 2 m (m + 2) u max|Q|
to that, and the factorization, by Rump's criterion, m (m + 1) u max|Q| up to second order.  So a
certified Q proves that the equations, with the coefficients as given in floats, have a positive
definite solution.

The first steps take eigenpairs in single precision, which only makes a cut slightly worse.

References
----------
Pierra, Decomposition through formalization in a product space, Math. Program. 1984 (extrapolation).
Polyak, Minimization of unsmooth functionals, USSR Comput. Math. 1969 (step to a level).
Rump, Verification of positive definiteness, BIT 2006 (Cholesky with a shift).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpu.backend import Device, DeviceUnavailableError, one_thread

if TYPE_CHECKING:
    from torch import Tensor

EARLY_SHARE, LATE_SHARE, EARLY_STEPS = 0.5, 0.3, 4
"""Levels t / |lowest eigenvalue|: a high one is faster on average, a low one in the tail."""
START = 1.5
"""Measured on planted dense problems: 6 to 32 % fewer steps than from P_L(0)."""
SINGLE_STEPS = 3
"""Steps with eigenpairs in single precision."""
_PARALLEL = 1e-8
"""Two cuts whose normals span a smaller squared sine are not intersected."""
_NO_DIRECTION = 1e-12
"""Squared share of G along L below which Q cannot be improved."""
_FAR = 1e9
"""Length of a step, where the largest coefficient is about 1."""
_CHUNK = {"cpu": 1 << 18, "cuda": 1 << 26}
"""Matrix entries that are worked on together: a cache, a share of a GPU's memory."""


@dataclass(frozen=True, eq=False)
class GramBatchResult:
    """What came out for N problems of size m.

    Attributes
    ----------
    grams : float64 (N, m, m)
        Symmetric; on the equations up to rounding errors.
    certified : bool (N,)
        The matrix is proved to be near a positive definite solution.
    iterations : int64 (N,)
        Eigendecompositions spent.
    """

    grams: NDArray[np.float64]
    certified: NDArray[np.bool_]
    iterations: NDArray[np.int64]

    @cached_property
    def min_eigenvalues(self) -> NDArray[np.float64]:
        """Lowest eigenvalue of every matrix, float64 (N,); computed on demand."""
        return np.linalg.eigvalsh(self.grams)[:, 0].astype(np.float64)


def solve_gram_batch(
    rows: NDArray[np.integer],
    coefficients: NDArray[np.float64],
    *,
    max_iterations: int = 30,
    device: Device = "auto",
    single_steps: int = SINGLE_STEPS,
    num_threads: int = 1,
) -> GramBatchResult:
    """Look for positive definite Gram matrices.

    Parameters
    ----------
    rows : integers (N, m, m), or (m, m) for all problems
        Symmetric: the class of every entry, in 0..S-1; -1 holds an entry at 0.
    coefficients : float64 (N, S)
        Coefficients of the classes.  A problem with a coefficient other than 0 for a class without
        entries has no solution and is never certified.
    max_iterations : int
        Limit on the eigendecompositions of a problem.
    device : "auto", "cpu" or "cuda"
    single_steps : int
        Steps with eigenpairs in single precision.
    num_threads : int
        Threads that share the problems on a CPU.

    Returns
    -------
    GramBatchResult
        A problem with a coefficient that is no finite number is not certified.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    DeviceUnavailableError
        If ``cuda`` is asked for and cannot be had.
    """
    where = _torch_device(device)
    coefficients = np.asarray(coefficients, dtype=np.float64)
    tables = _tables(np.asarray(rows), coefficients)
    num, size = tables.shape[:2]
    result = GramBatchResult(
        np.zeros((num, size, size)), np.zeros(num, np.bool_), np.zeros(num, np.int64)
    )
    is_finite = np.isfinite(coefficients).all(axis=1)
    todo, step = np.flatnonzero(is_finite), max(1, _CHUNK[where] // max(1, size * size))
    chunks = [todo[begin : begin + step] for begin in range(0, len(todo), step)]

    def work(chunk: NDArray[np.intp]) -> None:
        solver = _Chunk(tables[chunk], coefficients[chunk], where, single_steps)
        solver.run(max_iterations)
        result.grams[chunk] = solver.grams.cpu().numpy()
        result.certified[chunk] = solver.certified.cpu().numpy()
        result.iterations[chunk] = solver.iterations.cpu().numpy()

    # The chunks are what runs in parallel.
    with one_thread(), ThreadPoolExecutor(num_threads if where == "cpu" else 1) as pool:
        list(pool.map(work, chunks))
    return result


def _torch_device(device: Device) -> str:
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device must be one of auto, cpu, cuda, not {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceUnavailableError("no GPU can be used: PyTorch sees no CUDA device")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


def _tables(rows: NDArray[np.integer], coefficients: NDArray[np.float64]) -> NDArray[np.integer]:
    """Check the shapes; return one table per problem (N, m, m), a view if it is shared."""
    if coefficients.ndim != 2:
        raise ValueError(f"coefficients must have the shape (N, S), not {coefficients.shape}")
    num, num_classes = coefficients.shape
    if rows.ndim == 2:
        rows = np.broadcast_to(rows, (num, *rows.shape))
    if rows.ndim != 3 or rows.shape[0] != num or rows.shape[1] != rows.shape[2]:
        raise ValueError(f"rows must have the shape (m, m) or ({num}, m, m), not {rows.shape}")
    if rows.size and not -1 <= rows.min() <= rows.max() < num_classes:
        raise ValueError(f"rows must be classes in -1..{num_classes - 1}")
    return rows


class _Cut(NamedTuple):
    """Half-spaces <normal, X> >= offset, one per problem."""

    normal: Tensor
    offset: Tensor
    length: Tensor
    """<normal, normal>."""
    is_last: Tensor
    """There is no direction along L to move in."""


class _Chunk:
    """Problems that are worked on together; those that end leave the tensors of the others."""

    def __init__(
        self,
        rows: NDArray[np.integer],
        coefficients: NDArray[np.float64],
        device: str,
        single_steps: int,
    ) -> None:
        import torch

        self.torch, self.single_steps = torch, single_steps
        num, self.size = rows.shape[:2]
        # Powers of two make the largest coefficient about 1: exact, and safe in single precision.
        _, exponents = np.frexp(np.abs(coefficients).max(axis=1, initial=0.0))
        scaled = np.ldexp(coefficients, -exponents[:, None])
        padded = np.concatenate([scaled, np.zeros((num, 1))], axis=1)
        # Entries that are held at 0 form the last class, and are set to 0 after every projection.
        table = rows.reshape(num, -1).astype(np.int64)
        self.is_held = bool((table < 0).any())
        if self.is_held:
            table[table < 0] = coefficients.shape[1]
        self.exponents = torch.from_numpy(exponents.astype(np.int64)).to(device)
        self.rows = torch.from_numpy(table).to(device)
        self.target = torch.from_numpy(padded).to(device)
        self.counts = self._sums(torch.ones_like(self.rows, dtype=torch.float64)).clamp_(min=1.0)
        self.index = torch.arange(num, device=device)
        self.grams = torch.zeros(num, self.size, self.size, dtype=torch.float64, device=device)
        self.certified = torch.zeros(num, dtype=torch.bool, device=device)
        self.iterations = torch.zeros(num, dtype=torch.int64, device=device)
        self.eye = torch.eye(self.size, dtype=torch.float64, device=device)

    def _sums(self, flat: Tensor) -> Tensor:
        """Sums over the classes, (B, m * m) -> (B, S + 1)."""
        return self.torch.zeros_like(self.target).scatter_add_(1, self.rows, flat)

    def _spread(self, values: Tensor) -> Tensor:
        """Put the value of its class at every entry, (B, S + 1) -> (B, m, m)."""
        if self.is_held:
            values[:, -1] = 0.0
        return values.gather(1, self.rows).view(-1, self.size, self.size)

    def _project(self, grams: Tensor) -> Tensor:
        """P_L, in place."""
        missing = self.target - self._sums(grams.flatten(1))
        return grams.add_(self._spread(missing / self.counts))

    def _start(self) -> Tensor:
        closest = self._project(self.torch.zeros_like(self.grams))
        mean = closest.diagonal(dim1=1, dim2=2).mean(dim=1)
        return closest + self._direction(START * mean[:, None, None] * self.eye)

    def _direction(self, normal: Tensor) -> Tensor:
        """D, in place: subtract the mean of every class."""
        change = normal.sub_(self._spread(self._sums(normal.flatten(1)) / self.counts))
        if self.is_held:
            change.view(-1, self.size**2)[self.rows == self.target.shape[1] - 1] = 0.0
        return change

    def _is_definite(self, grams: Tensor) -> Tensor:
        missing = (self.target - self._sums(grams.flatten(1))).abs() / self.counts
        # No entry of a positive definite matrix is larger than its largest diagonal entry.
        largest = grams.diagonal(dim1=1, dim2=2).abs().amax(dim=1)
        rounding = 4 * (self.size + 3) * 2.0**-53 * largest
        shifts = self.size * (missing.amax(dim=1) + rounding)
        shifted = grams.clone()
        shifted.diagonal(dim1=1, dim2=2).sub_(shifts[:, None])
        _, info = self.torch.linalg.cholesky_ex(shifted)
        return (info == 0) & self.torch.isfinite(shifts)

    def run(self, max_iterations: int) -> None:
        """Iterate until every problem is certified, cannot be improved or is out of steps."""
        grams, cut = self._start(), None
        for step in range(max_iterations + 1):
            is_definite = self._is_definite(grams)
            self.certified[self.index] = is_definite
            is_done = is_definite if cut is None else is_definite | cut.is_last
            if step == max_iterations:
                is_done = is_done | True
            grams, cut = self._retire(is_done, grams, cut, step)
            if not self.index.numel():
                return
            moved, cut = self._step(grams, cut, step)
            grams = self._project(moved)

    def _retire(
        self, is_done: Tensor, grams: Tensor, cut: _Cut | None, step: int
    ) -> tuple[Tensor, _Cut | None]:
        """Write down the matrices that are done; keep the tensors of the others."""
        if not bool(is_done.any()):
            return grams, cut
        done = self.index[is_done]
        scales = self.exponents[is_done][:, None, None]
        self.grams[done] = self.torch.ldexp(grams[is_done], scales)
        self.iterations[done] = step
        (left,) = self.torch.nonzero(~is_done, as_tuple=True)
        for name in ("index", "rows", "target", "counts", "exponents"):
            setattr(self, name, getattr(self, name)[left])
        return grams[left], None if cut is None else _Cut(*(part[left] for part in cut))

    def _new_cut(self, grams: Tensor, step: int) -> tuple[_Cut, Tensor]:
        """Cut along L through the level above the lowest eigenvalue, and |G|^2."""
        torch, is_single = self.torch, step < self.single_steps
        values, vectors = torch.linalg.eigh(grams.float() if is_single else grams)
        share = EARLY_SHARE if step < EARLY_STEPS else LATE_SHARE
        level = share * values[:, :1].abs()
        excess = (level - values).clamp_(min=0.0)
        normal = (vectors * (excess[:, None, :] / 2)) @ vectors.mT
        normal = self._direction((normal + normal.mT).double())
        gain, length = excess.double().square().sum(dim=1), _inner(normal, normal)
        # In single precision an eigenvalue just below 0 may be missed: there G = 0 ends nothing.
        is_last = (length <= _NO_DIRECTION * gain) & ((gain > 0) | (not is_single))
        return _Cut(normal, gain + _inner(normal, grams), length, is_last), gain

    def _step(self, grams: Tensor, old: _Cut | None, step: int) -> tuple[Tensor, _Cut]:
        """Closest point in the intersection of the last two cuts, and the new cut."""
        torch = self.torch
        cut, gain = self._new_cut(grams, step)
        is_flat = cut.length <= _NO_DIRECTION * gain
        along = torch.where(is_flat, 0.0, gain / cut.length.clamp(min=1e-300))
        if old is None:
            return grams.addcmul(along[:, None, None], cut.normal), cut
        missing, mixed = old.offset - _inner(old.normal, grams), _inner(old.normal, cut.normal)
        lengths = cut.length * old.length
        determinant = lengths - mixed.square()
        is_both = (along * mixed < missing) & (determinant > _PARALLEL * lengths) & ~is_flat
        safe = torch.where(is_both, determinant, 1.0)
        along = torch.where(is_both, (gain * old.length - missing * mixed) / safe, along)
        beside = torch.where(is_both, (missing * cut.length - gain * mixed) / safe, 0.0)
        # Nearly parallel cuts can send a hopeless problem far away; its last matrix is kept.
        reach = along.square() * cut.length + beside.square() * old.length
        is_wild = ~(reach < _FAR**2)
        along, beside = along.masked_fill(is_wild, 0.0), beside.masked_fill(is_wild, 0.0)
        moved = grams.addcmul(along[:, None, None], cut.normal)
        moved.addcmul_(beside[:, None, None], old.normal)
        return moved, cut._replace(is_last=cut.is_last | is_wild)


def _inner(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum(dim=(1, 2))
