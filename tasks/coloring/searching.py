"""The search of a batch of members: all of them on a coarse grid, the best on finer ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tasks.coloring.config import PlaneColoringConfig
from tasks.coloring.fields import Field
from tasks.coloring.items import SearchWork
from tasks.coloring.problem import named_norm
from tasks.coloring.search.halving import best, removal_estimate
from tasks.coloring.search.members import Member
from tasks.coloring.search.starts import Start
from tasks.coloring.search.training import Outcome, Settings, train_members
from tasks.nn import FitStatus

__all__ = ["Found", "found_members"]

_FINER_SHARE = 0.3
"""Steps on a finer grid, as a share of those on the first: members only have to settle there."""


@dataclass(frozen=True)
class Found:
    """What became of one member.

    Attributes
    ----------
    outcome : Outcome
        On the last grid that it came to.
    estimate : float
        What members are ranked by.
    steps : int
    grids : int
        How many grids it was searched on.
    """

    outcome: Outcome
    estimate: float
    steps: int
    grids: int

    @property
    def is_finite(self) -> bool:
        """Whether it came to an end that can be used."""
        return self.outcome.status == FitStatus.FINISHED

    @property
    def field(self) -> Field:
        """As a file holds it."""
        rows = tuple(tuple(row) for row in self.outcome.lattice_texts)
        return Field(self.outcome.logits, rows)


def found_members(work: SearchWork, device: str) -> list[Found]:
    """All members of a batch, in their order; those that were left behind with fewer steps."""
    members, found = _members(work), {}
    starts: list[Outcome] | None = None
    steps = 0
    for number, settings in enumerate(_rungs(work.hunt)):
        left = members if starts is None else [start.member for start in starts]
        outcomes = train_members(left, settings, starts=starts, device=device)
        steps += settings.num_steps
        for outcome in outcomes:
            rank = removal_estimate(outcome)
            found[outcome.member.seed] = Found(outcome, rank, steps, number + 1)
        starts = best(outcomes, work.hunt.kept, removal_estimate)
    return list(found.values())


def _members(work: SearchWork) -> list[Member]:
    problem, hunt = work.problem, work.hunt
    vectors = tuple(tuple(map(float, row)) for row in hunt.lattice)
    return [
        Member(
            seed,
            problem.num_colors,
            work.penalty,
            problem.forbidden,
            Start(areas=hunt.areas, vectors=vectors),
            problem.dimension,
            named_norm(problem.norm, problem.dimension),
        )
        for seed in work.starts
    ]


def _rungs(hunt: PlaneColoringConfig) -> list[Settings]:
    """How members are trained on each grid."""
    first = Settings(
        shape=(hunt.grids[0],) * hunt.dimension,
        num_steps=hunt.steps,
        margin=hunt.margin,
        batch_size=hunt.per_call,
    )
    if not hunt.learn_lattice:
        first = replace(first, lattice_rate=0.0)
    steps = max(round(_FINER_SHARE * hunt.steps), 1)
    finer = replace(first, num_steps=steps, first_penalty=0.0, lattice_start=0.0)
    return [first, *(replace(finer, shape=(n,) * hunt.dimension) for n in hunt.grids[1:])]
