"""Training of many members together: `tasks.nn.fit` on a joint stack of tori.

Rates are per point of the torus: a step of mirror descent moves the logits of a point by the rate
times the derivative of the loss by the probabilities there, whatever the grid.  On the CPU a member
gets the same bits alone, in any batch and at any place in it; batches only bound the memory.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gpu.backend import one_thread
from tasks.coloring.search.members import Member, check_alike
from tasks.coloring.search.starts import lattice_texts, rounded
from tasks.coloring.search.torus import Phase, TorusLogits, TorusLoss, resampled
from tasks.coloring.search.waves import Waves
from tasks.nn import CurvePoint, Fit, FitPlan, FitStatus, JointStack, StackedSGD, StackedState, fit
from tasks.records import InputError, fingerprint


@dataclass(frozen=True)
class Settings:
    """How members are trained.

    Attributes
    ----------
    shape : tuple of int
        Of the grid.
    num_steps : int
    rates : pair of float
        Of the logits at the first and the last step, geometric in between.
    momentum : float
    lattice_rate : float
        Of the lattice: this at the last step, and before in proportion to the rates of the logits;
        0 keeps the lattice.
    lattice_start : float
        Share of the steps before the lattice is learned.
    lattice_every : int
        Steps from one step of the lattice to the next, each of so many times the rate.
    lattice_move : float
        Largest step of the lattice, in the Euclidean norm of all its entries.
    first_penalty : float
        Of all members at the first step; 0 for their own throughout.
    penalty_share : float
        Share of the steps until the penalties of the members are reached.
    margin : float
        By which forbidden intervals are widened, relatively.
    deviation : float
        Of the first logits.
    batch_size : int
        Members together; changes memory and speed only.
    curve_steps, checkpoint_steps : int
    """

    shape: tuple[int, ...] = (24, 24)
    num_steps: int = 200
    rates: tuple[float, float] = (10.0, 10.0)
    momentum: float = 0.0
    lattice_rate: float = 1.0
    lattice_start: float = 0.05
    lattice_every: int = 2
    lattice_move: float = 0.05
    first_penalty: float = 0.5
    penalty_share: float = 0.6
    margin: float = 0.05
    deviation: float = 0.1
    batch_size: int = 64
    curve_steps: int = 50
    checkpoint_steps: int = 500


@dataclass(frozen=True)
class Geometric:
    """Rates from the first to the last step, each the same multiple of the one before."""

    first: float
    last: float
    num_steps: int

    def at(self, step: int) -> float:
        """Rate of a step."""
        return self.first * (self.last / self.first) ** (step / max(self.num_steps - 1, 1))


@dataclass(frozen=True)
class Phases:
    """What the steps of a training do, as batches of `fit`."""

    settings: Settings

    def at(self, step: int) -> Generator[Phase]:
        """Phases from a step on."""
        given, count = self.settings, self.settings.num_steps
        while True:
            share = step / (given.penalty_share * count) if given.penalty_share else 1.0
            is_begun = given.lattice_rate > 0 and step >= given.lattice_start * count
            learns = is_begun and step % given.lattice_every == 0
            yield Phase(min(share, 1.0) if given.first_penalty else 1.0, learns)
            step += 1


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a member came to.

    Attributes
    ----------
    member : Member
    status : FitStatus
    reason : str
    logits : float32 (C, s_1, ..., s_n)
        At the points sum_a (i_a / s_a) v_a.
    lattice : float64 (n, n)
        Rows v_a, rounded to what `lattice_texts` states.
    conflict, removed : float
        E and the share removed, at the end.
    curve : tuple of CurvePoint
    """

    member: Member
    status: FitStatus
    reason: str
    logits: NDArray[np.float32]
    lattice: NDArray[np.float64]
    conflict: float
    removed: float
    curve: tuple[CurvePoint, ...]

    @property
    def lattice_texts(self) -> list[list[str]]:
        """The lattice as exact decimals."""
        return lattice_texts(self.lattice)

    def colors(self, shape: tuple[int, ...] | None = None) -> NDArray[np.uint8]:
        """The likeliest channel at each point of a grid, as fine or finer; 255 for "removed"."""
        logits = torch.from_numpy(self.logits)
        finer = logits if shape is None else resampled(logits.double(), shape)
        likeliest = finer.argmax(dim=0).numpy().astype(np.uint8)
        likeliest[likeliest >= self.member.num_colors] = 255
        return likeliest

    def digest(self) -> str:
        """Of all that a training that starts here depends on."""
        return sha256(self.logits.tobytes() + self.lattice.tobytes()).hexdigest()


def train_members(
    members: Sequence[Member],
    settings: Settings,
    *,
    starts: Sequence[Outcome] | None = None,
    checkpoint: str | Path | None = None,
    device: str | torch.device = "cpu",
) -> list[Outcome]:
    """Train members, each as if it were alone.

    Parameters
    ----------
    members : sequence of Member
        With one number of colors, one dimension and one norm.
    settings : Settings
    starts : sequence of Outcome, optional
        One for each member, which continues from its lattice and its logits, on a grid as fine or
        finer.
    checkpoint : path or URI, optional
        Beginning of the names of checkpoints, one for each batch; a training that was killed goes
        on from them and comes to the same outcomes, and one that is done is read.
    device : str or torch.device

    Raises
    ------
    InputError
        If members differ in kind, or grid and members in dimension.
    """
    check_alike(members)
    _check_shape(settings, members[0].dimension)
    device, outcomes = torch.device(device), []
    size = settings.batch_size
    for first in range(0, len(members), size):
        part = members[first : first + size]
        own = starts[first : first + size] if starts is not None else None
        place = None if checkpoint is None else f"{checkpoint}-{first}"
        with one_thread():
            outcomes += _train_batch(part, settings, own, place, device)
    return outcomes


def _train_batch(
    members: Sequence[Member],
    settings: Settings,
    starts: Sequence[Outcome] | None,
    checkpoint: str | None,
    device: torch.device,
) -> list[Outcome]:
    # On a GPU the last bit of a transform may depend on how many are made at once.
    padding = settings.batch_size - len(members) if device.type == "cuda" else 0
    padded = [*members, *[members[0]] * padding]
    begun = None if starts is None else [*starts, *[starts[0]] * padding]
    state = _begin(padded, settings, begun, device)
    loss = TorusLoss(
        [member.penalty for member in padded],
        first_penalty=settings.first_penalty,
        num_colors=padded[0].num_colors,
        device=device,
    )
    plan = FitPlan(
        settings.num_steps,
        clip=None,
        checkpoint=checkpoint,
        origin=_origin(members, settings, starts),
        checkpoint_steps=settings.checkpoint_steps,
        curve_steps=settings.curve_steps,
    )
    whole = fit(state, Phases(settings), loss, plan)
    return _outcomes(state, loss, whole, members)


def _begin(
    members: Sequence[Member],
    settings: Settings,
    starts: Sequence[Outcome] | None,
    device: torch.device,
) -> StackedState:
    shape = settings.shape
    if starts is None:
        logits = torch.tensor(np.stack([m.logits(shape, settings.deviation) for m in members]))
        lattices = np.stack([member.lattice() for member in members])
    else:
        each = [resampled(torch.from_numpy(start.logits), shape) for start in starts]
        logits, lattices = torch.stack(each), np.stack([start.lattice for start in starts])
    waves = Waves(
        [member.distances for member in members],
        margin=settings.margin,
        norm=members[0].norm,
        device=device,
    )
    model = TorusLogits(logits.to(device), torch.tensor(lattices, device=device), waves)
    stack = JointStack(model, len(members))
    # The gradient by one of N values of p is 1/N of the derivative at that point.
    num_points, (first, last) = logits[0, 0].numel(), settings.rates
    own = {
        "lr_scale": settings.lattice_rate * settings.lattice_every / (num_points * last),
        "largest_move": settings.lattice_move,
    }
    optimizer = StackedSGD(stack, momentum=settings.momentum, groups={"lattice": own})
    scale = (1 - settings.momentum) * num_points
    rates = Geometric(first * scale, last * scale, settings.num_steps)
    return StackedState(stack, optimizer, rates)


def _origin(members: Sequence[Member], settings: Settings, starts: Sequence[Outcome] | None) -> str:
    begun = [] if starts is None else [start.digest() for start in starts]
    return fingerprint([repr(list(members)), repr(settings), begun])


@torch.no_grad()
def _outcomes(
    state: StackedState, loss: TorusLoss, whole: Fit, members: Sequence[Member]
) -> list[Outcome]:
    model: Any = state.model.members
    lattices = np.stack([rounded(lattice) for lattice in model.lattice.cpu().numpy()])
    model.lattice.copy_(torch.from_numpy(lattices))
    _, terms = loss(model, Phase(1.0, learns_lattice=False))
    conflicts, removed = (terms[name].tolist() for name in ("conflict", "removed"))
    logits, outcomes = model.logits.cpu().numpy(), []
    for j, member in enumerate(members):
        found = state.outcome(j, whole)
        curve = tuple(replace(point, member=0) for point in found.curve)
        outcomes.append(
            Outcome(
                member,
                found.status,
                found.reason,
                logits[j].copy(),
                lattices[j],
                conflicts[j],
                removed[j],
                curve,
            )
        )
    return outcomes


def _check_shape(settings: Settings, dimension: int) -> None:
    shape = settings.shape
    if len(shape) != dimension or min(shape) < 4:
        raise InputError(
            f"a grid of shape {shape}: give {dimension} axes of at least 4 points for colorings "
            f"in dimension {dimension}"
        )
