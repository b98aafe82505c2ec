"""The search of a batch of members: all of them on a coarse grid, the best on finer ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tasks.coloring.config import PlaneColoringConfig
from tasks.coloring.fields import Field
from tasks.coloring.items import SearchWork
from tasks.coloring.problem import named_norm
from tasks.coloring.search.halving import removal_estimate, standings
from tasks.coloring.search.members import Member
from tasks.coloring.search.schedule import Schedule
from tasks.coloring.search.starts import Start
from tasks.coloring.search.training import Outcome, Settings
from tasks.nn import FitStatus

__all__ = ["Found", "found_members"]

_FINER_SHARE = 0.5
"""Steps on a finer grid, as a share of those on the first: members only have to settle there."""


@dataclass(frozen=True)
class Found:
    """What became of one member.

    Attributes
    ----------
    outcome : Outcome
        On the last grid that it came to.
    grids, steps : int
        On how many grids it was searched, and with how many steps together.
    """

    outcome: Outcome
    grids: int
    steps: int

    @property
    def estimate(self) -> float:
        """What members of one grid are ranked by, the smaller the better."""
        return removal_estimate(self.outcome)

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
    ends = standings(_members(work), _schedule(work.hunt).rungs(), device=device)
    return [Found(end.outcome, end.rungs, end.steps) for end in ends]


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


def _schedule(hunt: PlaneColoringConfig) -> Schedule:
    """How members are trained on each grid; on each finer one half as many as before."""
    shapes = [(points,) * hunt.dimension for points in hunt.grids]
    first = Settings(
        shape=shapes[0],
        num_steps=hunt.steps,
        margin=hunt.margin,
        batch_size=hunt.per_call,
    )
    if not hunt.learn_lattice:
        first = replace(first, lattice_rate=0.0)
    kept = tuple(max(hunt.kept >> number, 1) for number in range(len(shapes)))
    return Schedule(first, tuple(shapes[1:]), kept, _FINER_SHARE)
