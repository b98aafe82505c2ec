"""The search of a batch of members, in two rungs: all of them coarsely, the best on the full grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.coloring.config import ColoringConfig
from tasks.coloring.fields import Field
from tasks.coloring.items import SearchWork
from tasks.coloring.problem import named_norm
from tasks.coloring.search.halving import best, removal_estimate
from tasks.coloring.search.members import Member
from tasks.coloring.search.starts import Start
from tasks.coloring.search.training import Outcome, Settings, train_members

__all__ = ["Found", "found_members"]

_COARSE = 2
"""The first rung has a grid of so many times fewer cells along each side."""


@dataclass(frozen=True)
class Found:
    """What became of one member.

    Attributes
    ----------
    estimate : float
        Removed share, and conflicts at a common price: what members are ranked by.
    steps : int
    """

    outcome: Outcome
    estimate: float
    steps: int

    @property
    def field(self) -> Field:
        """As a file holds it."""
        rows = tuple(tuple(row) for row in self.outcome.lattice_texts)
        return Field(self.outcome.logits, rows)


def found_members(work: SearchWork, device: str, checkpoint: str | None = None) -> list[Found]:
    """All members of a batch, in their order; those that were left behind with fewer steps."""
    config, members = work.config, _members(work)
    coarse = _settings(config, max(config.grid // _COARSE, 8))
    fine = _settings(config, config.grid)
    first = train_members(members, coarse, checkpoint=_place(checkpoint, 0), device=device)
    kept = best(first, max(config.kept, config.finalists), removal_estimate)
    last = train_members(
        [outcome.member for outcome in kept],
        fine,
        starts=kept,
        checkpoint=_place(checkpoint, 1),
        device=device,
    )
    ends = {outcome.member.seed: outcome for outcome in last}
    return [_found(outcome, ends, config) for outcome in first]


def _found(outcome: Outcome, ends: dict[int, Outcome], config: ColoringConfig) -> Found:
    later = ends.get(outcome.member.seed)
    if later is None:
        return Found(outcome, removal_estimate(outcome), config.steps)
    return Found(later, removal_estimate(later), 2 * config.steps)


def _place(checkpoint: str | None, rung: int) -> str | None:
    return None if checkpoint is None else f"{checkpoint}-rung{rung}"


def _members(work: SearchWork) -> Sequence[Member]:
    problem, config = work.problem, work.config
    vectors = tuple(tuple(map(float, row)) for row in config.lattice)
    start = Start(vectors=vectors)
    return [
        Member(
            seed,
            problem.num_colors,
            work.penalty,
            problem.forbidden,
            start,
            problem.dimension,
            named_norm(problem.norm, problem.dimension),
        )
        for seed in work.starts
    ]


def _settings(config: ColoringConfig, side: int) -> Settings:
    shape = (side,) * config.dimension
    given = Settings(
        shape=shape, num_steps=config.steps, margin=config.margin, batch_size=config.per_call
    )
    if config.learn_lattice:
        return given
    from dataclasses import replace

    return replace(given, lattice_rate=0.0)
