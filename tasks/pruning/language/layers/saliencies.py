"""How much a weight of a layer counts, by the criteria of `tasks.pruning.criteria`."""

from __future__ import annotations

from torch import Tensor

from tasks.nn import seeded_generator
from tasks.pruning.criteria import CRITERIA, Statistics
from tasks.pruning.language.layers.gram import Gram
from tasks.records import InputError

__all__ = ["saliency"]


def saliency(name: str, weight: Tensor, gram: Gram | None = None, *, seed: int = 0) -> Tensor:
    """Saliencies float64 (rows, inputs).

    Raises
    ------
    InputError
        For an unknown name, or inputs that are needed and not given.
    """
    if name not in CRITERIA:
        raise InputError(f"no criterion is called {name!r}; known are {', '.join(CRITERIA)}")
    norms = None if gram is None else gram.norms
    known = Statistics(norms=norms, generator=seeded_generator(seed))
    return CRITERIA[name](weight.detach().double(), known).double()
