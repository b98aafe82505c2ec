"""Where triangulations come from: random sources by name.

Each source maps (degree, rng) to a triangulation and depends on the state of `rng` alone. What it
gives is a unimodular triangulation; only some sources give regular ones, so a search certifies
what it draws.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from tasks.lattice.certificates import Certified, certify
from tasks.lattice.counting import UniformSampler
from tasks.lattice.flips import random_flips
from tasks.lattice.honeycomb import honeycomb
from tasks.lattice.lifting import perturbed, random_regular
from tasks.lattice.symmetric import REFLECTIONS, random_symmetric
from tasks.lattice.triangulation import Triangulation
from tasks.records.errors import InputError

Source = Callable[[int, np.random.Generator], Triangulation]

_STEPS_PER_EDGE = 20
_NOISE_OCTAVES = (-2.0, 4.0)


def _honeycomb(degree: int, rng: np.random.Generator) -> Triangulation:
    return honeycomb(degree)


def _flips(degree: int, rng: np.random.Generator) -> Triangulation:
    """A walk from the honeycomb, of random length up to 20 proposals per interior edge."""
    start = honeycomb(degree)
    most = _STEPS_PER_EDGE * len(start.interior_edges)
    return random_flips(start, int(rng.integers(most + 1)), rng)


def _perturbed(degree: int, rng: np.random.Generator) -> Triangulation:
    """The honeycomb with noise of a random scale."""
    return perturbed(honeycomb(degree), rng, float(2 ** rng.uniform(*_NOISE_OCTAVES)))


def _symmetric(degree: int, rng: np.random.Generator) -> Triangulation:
    return random_symmetric(degree, rng, reflection=int(rng.choice(REFLECTIONS)))


def _uniform(degree: int, rng: np.random.Generator) -> Triangulation:
    return UniformSampler(degree).sample(rng)


SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "honeycomb": _honeycomb,
        "flips": _flips,
        "heights": random_regular,
        "perturbed": _perturbed,
        "symmetric": _symmetric,
        "uniform": _uniform,
    }
)
"""Name -> function(degree, rng). "heights" and "perturbed" are regular by construction; "uniform"
goes up to degree 7."""


def draw(source: str, degree: int, rng: np.random.Generator) -> Certified:
    """A triangulation from a named source, with its regularity certificate.

    Raises
    ------
    InputError
        If there is no such source, or it does not go up to this degree.

    >>> draw("heights", 5, np.random.default_rng(0)).regularity.value
    'regular'
    """
    if source not in SOURCES:
        raise InputError(f"there is no source {source!r}: give one of {', '.join(SOURCES)}")
    return certify(SOURCES[source](degree, rng))
