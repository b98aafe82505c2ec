"""Units of work of the studies of colorings.

A *search* call trains a batch of members, of one problem and one penalty, or looks at a given
coloring; a *making* call makes one coloring of what a search found, of cells or of polygons; a
*check* reads the certificate of such a call with both checkers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from tasks.coloring.config import ColoringConfig, PlaneColoringConfig
from tasks.coloring.problem import Problem

__all__ = ["START", "CheckWork", "Form", "MakingWork", "SearchWork", "search_works"]

START = "start"
"""Key of a given coloring."""

_OF_MAKING = (
    *("cells", "refinements", "repair_steps", "exchanges", "windows", "finer_refinements"),
    *("polygons", "spacings", "finer_spacings", "borders", "finalists", "refined", "shake"),
)
_OF_SEARCHES = ("seeds", "first_seed", "rounds", "penalties", "start", "repeats", "device")
_OF_CELLS = ("cells", "refinements", "repair_steps", "exchanges", "windows")

Form = Literal["cells", "polygons"]


@dataclass(frozen=True)
class SearchWork:
    """Members that are trained together, or a given coloring that is looked at.

    Attributes
    ----------
    hunt : PlaneColoringConfig
    starts : range
        Numbers of the starts; empty for a given coloring.
    penalty : float
    round : int
    """

    hunt: PlaneColoringConfig
    starts: range
    penalty: float = 0.0
    round: int = 0

    @property
    def problem(self) -> Problem:
        """What is to be colored."""
        return self.hunt.problem

    @property
    def key(self) -> str:
        """Of the call."""
        if not self.starts:
            return START
        return f"{self.problem.key}.l{self.penalty:g}.{self.starts[0]}-{self.starts[-1]}"

    def run_key(self, start: int) -> str:
        """Of one member."""
        return f"{self.problem.key}.l{self.penalty:g}.{start}" if self.starts else START

    def origin(self) -> dict[str, Any]:
        """Settings that the result depends on."""
        return self.hunt.model_dump(mode="json", exclude={*_OF_MAKING, *_OF_SEARCHES})


@dataclass(frozen=True)
class MakingWork:
    """A coloring that is made of what a search found.

    Attributes
    ----------
    hunt : PlaneColoringConfig
    run : str
        Key of the search's run.
    field : str
        File of what it found.
    search : str
        Key of the call that found it.
    form : {"cells", "polygons"}
    is_finer : bool
        Whether it is one of the best that are refined.
    """

    hunt: PlaneColoringConfig
    run: str
    field: str
    search: str
    form: Form
    is_finer: bool = False

    @property
    def problem(self) -> Problem:
        """What is to be colored."""
        return self.hunt.problem

    @property
    def key(self) -> str:
        """Of the call."""
        return f"{'finer-' * self.is_finer}{self.form}.{self.run}"

    @property
    def refinements(self) -> int:
        """How often cells are halved."""
        return self.hunt.refinements + self.is_finer * self.hunt.finer_refinements

    @property
    def spacings(self) -> tuple[float, ...]:
        """Lengths of edges of polygons."""
        return self.hunt.spacings + self.is_finer * self.hunt.finer_spacings

    @property
    def borders(self) -> tuple[float, ...]:
        """Lengths of edges at removed regions."""
        return self.hunt.borders if self.is_finer else ()

    def origin(self) -> dict[str, Any]:
        """Settings that the result depends on."""
        search = self.hunt.model_dump(mode="json", exclude={*_OF_MAKING, *_OF_SEARCHES})
        if self.form == "polygons":
            own: dict[str, Any] = {"spacings": self.spacings}
            if self.borders:
                own["borders"] = self.borders
            if self.hunt.shake:
                own |= {"shake": self.hunt.shake, "first_seed": self.hunt.first_seed}
            return {**search, **own}
        own = self.hunt.model_dump(mode="json", include=set(_OF_CELLS))
        return {**search, **own, "refinements": self.refinements}


@dataclass(frozen=True)
class CheckWork:
    """The certificate of a call."""

    key: str
    problem: Problem


def search_works(config: ColoringConfig, number: int = 0) -> Iterator[SearchWork]:
    """The searches of a round, or the one look at a given coloring."""
    for hunt in config.hunts():
        if hunt.start:
            yield SearchWork(hunt, range(0))
            continue
        first = hunt.first_seed + number * hunt.seeds
        end = first + hunt.seeds
        for penalty in hunt.penalties:
            for start in range(first, end, hunt.per_call):
                starts = range(start, min(start + hunt.per_call, end))
                yield SearchWork(hunt, starts, penalty, number)
