"""The rounds of a hunt for schemes: proposals from an archive, each certified and then counted.

A round proposes `round_size` candidates: variants of parents that the hunt has not seen yet, up to
the symmetries of the triangle.  Every other one then climbs to more promising triangulations
(`proposals.promise`) in some small steps, before any census.
Its regularity is certified exactly, and then its census is taken.  The archive takes the candidates
of a round in their order, and the next round starts from it.  Everything random comes from streams
named by round and index, so a hunt depends on its seed and not on the workers, nor on where it was
interrupted.

Irregular candidates are kept with that mark and without a census: their curves need not be
algebraic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.lattice import Regularity, Triangulation, canonical_key, certify
from tasks.records import BudgetExceeded, RunIdentity, Status, science_table, stream
from tasks.tcurves.archive import Archive, Find, key_number
from tasks.tcurves.census import frontier_census
from tasks.tcurves.hunt import ARCHIVE_SCHEMA, CANDIDATES_SCHEMA, HuntConfig, HuntPlan
from tasks.tcurves.proposals import Move, Origin, promise, score, vary
from tasks.tcurves.restrictions import is_maximal
from tasks.tcurves.weights import weight_bits

INFRASTRUCTURE = "infrastructure"
"""Kind of a failure of a machine, as the workers name it."""
MAX_REDRAWS = 8
"""Draws for a variant that is new to the hunt; each goes further from the parent."""


@dataclass(frozen=True)
class HuntItem:
    """Some candidates of one round: where each is to come from."""

    config: HuntConfig
    identity: RunIdentity
    round: int
    first: int
    """Index of the first candidate."""
    origins: tuple[Origin, ...]
    tried: NDArray[np.uint64]
    """Numbers (`key_number`) of the candidates of earlier rounds, ascending."""
    hits: Mapping[int, int]
    """Codes of M-schemes -> candidates of earlier rounds that had them."""

    @property
    def key(self) -> str:
        """Name of the item within its run; sorts by round and index."""
        return item_key(self.round, self.first)


def item_key(number: int, first: int) -> str:
    """Name an item by its round and the index of its first candidate."""
    return f"r{number:06d}.{first:05d}"


def empty_archive(plan: HuntPlan) -> Archive:
    """Begin a hunt."""
    return Archive(plan.config.degree, patience=plan.config.patience)


def item_keys(plan: HuntPlan, number: int) -> list[str]:
    """Name the items of a round."""
    size, total = (
        (1, len(plan.seeds)) if number == 0 else (plan.config.batch, plan.config.round_size)
    )
    return [item_key(number, first) for first in range(0, total, size)]


def round_items(plan: HuntPlan, archive: Archive, number: int) -> list[HuntItem]:
    """Propose the items of a round: the seeds in round 0, then parents drawn from the archive."""
    config = plan.config
    seen = (archive.tried(), archive.maximal_hits())
    if number == 0:
        origins = [Origin("seed", seed) for seed in plan.seeds]
        size = 1
    else:
        rng = stream(config.seed, "parents", number)
        origins = [_draw_origin(config, archive, rng) for _ in range(config.round_size)]
        size = config.batch
    return [
        HuntItem(config, plan.identity, number, first, tuple(origins[first : first + size]), *seen)
        for first in range(0, len(origins), size)
    ]


def _draw_origin(config: HuntConfig, archive: Archive, rng: np.random.Generator) -> Origin:
    """Draw a move and its parents."""
    shares = (config.crossing_share, config.heights_share, config.symmetric_share)
    moves: tuple[Move, ...] = ("crossing", "heights", "symmetric", "mutation")
    move = moves[int(np.searchsorted(np.cumsum(shares), rng.random(), side="right"))]
    parent = archive.choose_parent(rng)
    if move == "symmetric":
        return Origin(move, archive.choose_symmetric_parent(rng))
    return Origin(move, parent, archive.choose_mate(rng) if move == "crossing" else None)


def run_hunt_item(item: HuntItem) -> dict[str, pa.Table]:
    """Propose, certify and count the candidates of an item: table ``candidates``."""
    rows = []
    for offset, origin in enumerate(item.origins):
        index = item.first + offset
        rng = stream(item.config.seed, "candidate", item.round, index)
        row = _candidate(item, origin, index, rng)
        rows.append({"round": item.round, "index": index, **row})
    columns = {name: [row[name] for row in rows] for name in CANDIDATES_SCHEMA.names[3:]}
    return {"candidates": science_table(CANDIDATES_SCHEMA, columns, identity=item.identity)}


def failed_hunt_item(item: HuntItem, kind: str, message: str) -> dict[str, pa.Table]:
    """Record an item that failed as a whole: one row without census for each candidate.

    Nothing is recorded where the machine failed and not the item: what a hunt finds depends on its
    seed only, so the item has to be done again.
    """
    if kind == INFRASTRUCTURE:
        return {}
    rows = [
        {
            **dict.fromkeys(CANDIDATES_SCHEMA.names),
            "status": str(Status.FAILED),
            "round": item.round,
            "index": item.first + offset,
            "source": "none",
            "parent": canonical_key(origin.parent),
            "reason": f"{kind}: {message}",
        }
        for offset, origin in enumerate(item.origins)
    ]
    columns = {name: [row[name] for row in rows] for name in CANDIDATES_SCHEMA.names[3:]}
    return {"candidates": science_table(CANDIDATES_SCHEMA, columns, identity=item.identity)}


def _is_tried(triangulation: Triangulation, tried: NDArray[np.uint64]) -> bool:
    """Whether an earlier round has had a triangulation or an image of it under S3."""
    number = key_number(canonical_key(triangulation))
    place = int(np.searchsorted(tried, number))
    return place < len(tried) and tried[place] == number


def _new_variant(item: HuntItem, origin: Origin, rng: np.random.Generator) -> Triangulation:
    """Draw a variant that the hunt has not had; the last draw is taken as it is."""
    mean_flips = item.config.mean_flips
    for _ in range(MAX_REDRAWS - 1):
        variant = vary(origin, rng, mean_flips=mean_flips)
        if not _is_tried(variant, item.tried):
            return variant
        mean_flips *= 1.5
    return vary(origin, rng, mean_flips=mean_flips)


def _climbed(item: HuntItem, start: Origin, rng: np.random.Generator) -> Triangulation:
    """Walk from a triangulation to better ones; a step back in promise is not taken."""
    move: Move = "symmetric" if start.move == "symmetric" else "mutation"
    best, rank = start.parent, promise(start.parent, item.hits)
    for _ in range(item.config.proposals):
        variant = _new_variant(item, Origin(move, best), rng)
        variant_rank = promise(variant, item.hits)
        if variant_rank >= rank:
            best, rank = variant, variant_rank
    return best


def _candidate(
    item: HuntItem, origin: Origin, index: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Choose one candidate and evaluate it."""
    config = item.config
    chosen = origin.parent
    if origin.move != "seed":
        chosen = _new_variant(item, origin, rng)
        if index % 2:
            chosen = _climbed(item, replace(origin, parent=chosen, second=None), rng)
    targeted = rng.random() < config.targeted_share
    row = _evaluate(chosen, config, config.min_ovals if targeted else 0)
    return {"source": origin.move, "parent": canonical_key(origin.parent), **row}


def _evaluate(triangulation: Triangulation, config: HuntConfig, min_ovals: int) -> dict[str, Any]:
    """Certify a triangulation and take its census."""
    certified = certify(triangulation)
    if any(abs(weight) >= 1 << 63 for weight in certified.triangulation.weights or ()):
        certified = certify(triangulation.with_weights(None))  # weights that can be stored
    is_undecided = certified.regularity is Regularity.UNDECIDED
    row: dict[str, Any] = {
        "status": str(Status.OK),
        "key": canonical_key(triangulation),
        "score": score(triangulation),
        "regular": None if is_undecided else certified.is_regular,
        "triangles": triangulation.triangles.tolist(),
        "weights": certified.triangulation.weights,
        "min_ovals": min_ovals,
        "reason": "",
        **dict.fromkeys(("num_schemes", "peak_states", "transitions", "codes", "witnesses")),
    }
    if not certified.is_regular:
        return {**row, "reason": str(certified.regularity)}
    try:
        census = frontier_census(
            triangulation,
            max_bytes=int(config.memory_gib * 2**30),
            counts=False,
            min_ovals=min_ovals,
        )
    except BudgetExceeded as error:
        return {**row, "status": str(Status.OVER_BUDGET), "reason": str(error)}
    found = sorted((found.scheme.code, found.witness) for found in census.schemes)
    return {
        **row,
        "num_schemes": len(found),
        "peak_states": census.peak_states,
        "transitions": census.transitions,
        "codes": [code for code, _ in found],
        "witnesses": [witness for _, witness in found],
    }


def archive_table(
    plan: HuntPlan, archive: Archive, number: int, better: Sequence[Find], new: frozenset[int]
) -> pa.Table:
    """Lay out what a round added to the archive; `new` are the codes it found first."""
    last = {find.code: find for find in better}  # the smallest of this round
    rows = []
    for code, find in sorted(last.items(), key=lambda entry: archive.scheme(entry[0]).sort_key):
        scheme = archive.scheme(code)
        weights = find.candidate.triangulation.weights or ()
        rows.append(
            {
                "round": number,
                "scheme": str(scheme),
                "ovals": scheme.ovals,
                "p": scheme.p,
                "n": scheme.n,
                "depth": scheme.depth,
                "is_maximal": is_maximal(scheme, plan.config.degree),
                "is_known": str(scheme) in plan.known,
                "is_first": code in new,
                "candidates": archive.num_candidates,
                "witness": find.witness,
                "triangles": find.candidate.triangulation.triangles.tolist(),
                "weights": weights,
                "weight_bits": weight_bits(weights),
            }
        )
    columns = {name: [row[name] for row in rows] for name in ARCHIVE_SCHEMA.names[4:]}
    return science_table(ARCHIVE_SCHEMA, columns, identity=plan.identity)
