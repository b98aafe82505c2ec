"""The memory of a hunt: which schemes were found, where, and which triangulations to try next.

The archive is a function of the stored candidates in the order of their rounds, so that a hunt
that was interrupted, or ran on other workers, goes on exactly as it would have.

* For every scheme, the *certificate*: the smallest triangulation with weights and signs that has it
  (fewest bits of weights, then lexicographically).
* For every scheme, the *elite*: of the triangulations with this scheme the one with most schemes.
* For every scheme, the *hits*: how many candidates had it.

Parents are elites of schemes with few hits: the search works where the map of schemes is thin.

A search that has found nothing new for some time has settled near a few triangulations.  It then
begins again from the starts, on a new *island* with elites and hits of its own, while certificates
and the second parents of crossings still come from all islands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.lattice import REFLECTIONS, Triangulation, automorphisms, honeycomb
from tasks.records import Status
from tasks.tcurves.restrictions import harnack_bound
from tasks.tcurves.schemes import Scheme
from tasks.tcurves.weights import weight_bits

MIXED_ISLANDS = 3
_SYMMETRIC_DRAWS = 16


@dataclass(frozen=True)
class Candidate:
    """A triangulation whose census has been taken."""

    round: int
    index: int
    key: str
    """Canonical key of the triangulation under S3."""
    triangulation: Triangulation
    """With weights that certify its regularity."""
    codes: tuple[int, ...]
    """Scheme codes, ascending."""
    witnesses: tuple[int, ...]
    """A sign vector for each code."""

    @property
    def place(self) -> tuple[int, int]:
        """Round and index: the order of discovery."""
        return self.round, self.index


@dataclass(frozen=True)
class Find:
    """A scheme with its smallest certificate so far."""

    code: int
    candidate: Candidate
    witness: int

    @property
    def size(self) -> tuple[int, tuple[int, ...], int]:
        """Order of certificates: bits of the weights, the weights, the signs."""
        weights = self.candidate.triangulation.weights or ()
        return weight_bits(weights), weights, self.witness


@dataclass
class Island:
    """What one start of the search has found; parents are drawn from it."""

    elites: dict[int, Candidate] = field(default_factory=dict)
    hits: dict[int, int] = field(default_factory=dict)
    since_discovery: int = 0
    """Candidates since the last scheme that was new to the island."""

    def add(self, candidate: Candidate) -> None:
        """Enter a candidate."""
        before = len(self.elites)
        for code in candidate.codes:
            self.hits[code] = self.hits.get(code, 0) + 1
            elite = self.elites.get(code)
            if elite is None or len(elite.codes) <= len(candidate.codes):
                self.elites[code] = candidate
        self.since_discovery = 0 if len(self.elites) > before else self.since_discovery + 1

    def choose(self, rng: np.random.Generator) -> Triangulation:
        """Draw the elite of a scheme; schemes with few hits are drawn more often.

        The rank of the scheme by hits is exponentially distributed with a quarter of the schemes
        as its mean.
        """
        ranked = sorted(self.elites, key=lambda code: (self.hits[code], code))
        rank = min(int(rng.exponential(len(ranked) / 4)), len(ranked) - 1)
        return self.elites[ranked[rank]].triangulation


@dataclass
class Archive:
    """What a hunt knows; grows by `add`, candidate by candidate in the order of their places.

    Parameters
    ----------
    degree : int
    patience : int
        Candidates without a scheme new to the island after which the next island begins; 0: never.
    """

    degree: int
    patience: int = 0
    finds: dict[int, Find] = field(default_factory=dict)
    everywhere: Island = field(default_factory=Island)
    """All islands together."""
    island: Island = field(default_factory=Island)
    num_islands: int = 1
    starts: list[Triangulation] = field(default_factory=list)
    """Candidates of round 0: the parents on an island that has nothing yet."""
    keys: set[str] = field(default_factory=set)
    """Canonical keys of all candidates, also of those without a census."""
    num_candidates: int = 0
    """Candidates whose census has been taken."""
    num_failed: int = 0
    """Candidates without a census because of an error."""

    def add(self, candidate: Candidate) -> list[Find]:
        """Enter a candidate; return the schemes that it found first or with less."""
        self.num_candidates += 1
        self.keys.add(candidate.key)
        if candidate.round == 0:
            self.starts.append(candidate.triangulation)
        self.everywhere.add(candidate)
        self.island.add(candidate)
        better = []
        for code, witness in zip(candidate.codes, candidate.witnesses, strict=True):
            find = Find(code, candidate, witness)
            if code not in self.finds or find.size < self.finds[code].size:
                self.finds[code] = find
                better.append(find)
        if 0 < self.patience <= self.island.since_discovery:
            self.island = Island()
            self.num_islands += 1
        return better

    def note(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take note of stored candidates, of which some may have no census."""
        for row in rows:
            if row["key"] is not None:
                self.keys.add(row["key"])
            self.num_failed += row["status"] == Status.FAILED

    def extend(self, candidates: Iterable[Candidate]) -> list[Find]:
        """Enter candidates in the order of their places; return what got better."""
        ordered = sorted(candidates, key=lambda candidate: candidate.place)
        return [find for candidate in ordered for find in self.add(candidate)]

    def scheme(self, code: int) -> Scheme:
        """Decode a scheme of this degree."""
        return Scheme.from_code(code, pseudo_line=bool(self.degree % 2))

    def schemes(self) -> list[Scheme]:
        """List the schemes found, in the order of `Scheme`."""
        return sorted(map(self.scheme, self.finds))

    def choose_parent(self, rng: np.random.Generator) -> Triangulation:
        """Draw a parent from the present island, or one of the starts if that has nothing yet."""
        if self.island.elites:
            return self.island.choose(rng)
        return self.starts[int(rng.integers(len(self.starts)))]

    def choose_mate(self, rng: np.random.Generator) -> Triangulation:
        """Draw the second parent of a crossing: on every third island from all, else from its own.

        Islands with mates from elsewhere soon become like the others, but join what these have.
        """
        if self.num_islands % MIXED_ISLANDS == 0:
            return self.everywhere.choose(rng)
        return self.choose_parent(rng)

    def maximal_hits(self) -> dict[int, int]:
        """Codes of the M-schemes found, and how many candidates had them."""
        most = harnack_bound(self.degree)
        hits = self.everywhere.hits
        return {code: hits[code] for code in hits if self.scheme(code).components == most}

    def choose_symmetric_parent(self, rng: np.random.Generator) -> Triangulation:
        """Draw a parent that a reflection of the triangle maps to itself; else the honeycomb."""
        for _ in range(_SYMMETRIC_DRAWS):
            parent = self.choose_parent(rng)
            if set(automorphisms(parent)) & set(REFLECTIONS):
                return parent
        return honeycomb(self.degree)

    def tried(self) -> NDArray[np.uint64]:
        """Numbers of the keys of all candidates, ascending, uint64."""
        return np.sort(np.array([key_number(key) for key in self.keys], dtype=np.uint64))


def key_number(key: str) -> int:
    """First 64 bits of a canonical key; among n keys two agree by chance with n**2 / 2**65."""
    return int(key[:16], 16)


def candidate_of(row: Mapping[str, Any], degree: int) -> Candidate:
    """Read a row of the table ``candidates`` that has a census."""
    return Candidate(
        round=row["round"],
        index=row["index"],
        key=row["key"],
        triangulation=Triangulation(
            name=row["key"][:8],
            degree=degree,
            triangles=np.array(row["triangles"], dtype=np.int32),
            weights=tuple(row["weights"]),
        ),
        codes=tuple(row["codes"]),
        witnesses=tuple(row["witnesses"]),
    )
