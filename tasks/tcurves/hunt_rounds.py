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

import hashlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.lattice import Regularity, Triangulation, canonical_key, certify
from tasks.records.errors import BudgetExceeded, InfrastructureError, LatticeworkError
from tasks.records.rows import Row, Rows
from tasks.records.seeds import stream
from tasks.records.status import Status
from tasks.records.work import Item, Plan, Wave
from tasks.tcurves.archive import Archive, Find, candidate_of, key_number
from tasks.tcurves.census import frontier_census
from tasks.tcurves.hunt import HuntConfig, known_rows
from tasks.tcurves.proposals import Move, Origin, promise, score, vary
from tasks.tcurves.restrictions import is_maximal
from tasks.tcurves.weights import weight_bits

if TYPE_CHECKING:
    from tasks.records.stored import Stored

logger = logging.getLogger(__name__)

MAX_REDRAWS = 8
"""Draws for a variant that is new to the hunt; each goes further from the parent."""


@dataclass(frozen=True)
class HuntWork:
    """Some candidates of one round: where each is to come from."""

    config: HuntConfig
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


def hunt_waves(plan: Plan, stored: Stored) -> Iterator[Wave]:
    """Go through rounds until the time is over, enough is found, or no start gives a scheme.

    Rounds that are stored are replayed, which takes seconds; the archive learns after each.

    Raises
    ------
    InfrastructureError
        If items of a round were lost with their workers: what a hunt finds depends on its seed
        only, so it cannot go on without them.
    LatticeworkError
        If no start gave a scheme, or a round before the last one is damaged and there is no time.
    """
    config: HuntConfig = plan.config
    deadline = time.monotonic() + config.seconds
    stored.write("known", "known", known_rows(plan.value.known))
    archive = Archive(config.degree, patience=config.patience)
    starts = [start.content_hash() for start in plan.value.starts]
    history = hashlib.sha256("".join(starts).encode())
    for number in count():
        works = round_works(plan, archive, number)
        keys = [work.key for work in works]
        if not stored.has("candidates", keys):
            is_enough = 0 < config.stop_at <= len(archive.finds)
            if is_enough or time.monotonic() > deadline:
                _check_last(stored, number)
                return
        after = history.hexdigest()
        origins = [{"after": after, "size": len(work.origins)} for work in works]
        pairs = zip(works, origins, strict=True)
        yield Wave([Item(work.key, work, origin) for work, origin in pairs], "hunt")
        rows = _stored_round(stored, keys, number)
        for key in keys:
            history.update(stored.content("candidates", key).encode())
        _learn(plan, stored, archive, number, rows)
        if not archive.finds:
            raise LatticeworkError(f"no start gave a scheme: {_reasons(rows)}; give other starts")


def _stored_round(stored: Stored, keys: Sequence[str], number: int) -> list[dict[str, Any]]:
    """All candidates of a round."""
    lost = [key for key in keys if not stored.has("candidates", [key])]
    if lost:
        raise InfrastructureError(
            f"round {number}: {len(lost)} of {len(keys)} items were lost with their "
            "workers; finished items are kept, run the same command again",
            retryable=True,
        )
    return [row for key in keys for row in stored.part("candidates", key).to_pylist()]


def _check_last(stored: Stored, number: int) -> None:
    """Refuse to end before rounds that are stored: a damaged one hides them."""
    later = [key for key in stored.run.stored_items("candidates") if key >= f"r{number + 1:06d}"]
    if later:
        raise LatticeworkError(
            f"round {number} is damaged; run the hunt with its former stop_at and seconds, or "
            "more, to make it again"
        )


def _learn(
    plan: Plan, stored: Stored, archive: Archive, number: int, rows: list[dict[str, Any]]
) -> None:
    """Enter a round into the archive and store what it added."""
    before = frozenset(archive.finds)
    counted = [row for row in rows if row["status"] == Status.OK and row["codes"] is not None]
    archive.note(rows)
    better = archive.extend(candidate_of(row, plan.config.degree) for row in counted)
    new = frozenset(archive.finds) - before
    if better:
        known = plan.value.known
        stored.write("archive", f"r{number:06d}", archive_rows(known, archive, number, better, new))
    if new:
        logger.info(
            "round %d: %d schemes (%d new to this hunt) from %d candidates",
            number,
            len(archive.finds),
            len(new),
            archive.num_candidates,
        )


def _reasons(rows: list[dict[str, Any]]) -> str:
    """Why candidates have no census, each reason once."""
    reasons = {row["reason"] or f"no scheme with {row['min_ovals']} ovals or more" for row in rows}
    return ", ".join(sorted(reasons))


def round_works(plan: Plan, archive: Archive, number: int) -> list[HuntWork]:
    """Propose the items of a round: the starts in round 0, then parents drawn from the archive."""
    config: HuntConfig = plan.config
    seen = (archive.tried(), archive.maximal_hits())
    if number == 0:
        origins = [Origin("seed", start) for start in plan.value.starts]
        size = 1
    else:
        rng = stream(config.seed, "parents", number)
        origins = [_draw_origin(config, archive, rng) for _ in range(config.round_size)]
        size = config.per_call
    return [
        HuntWork(config, number, first, tuple(origins[first : first + size]), *seen)
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


def hunt_rows(work: HuntWork) -> Rows:
    """Propose, certify and count the candidates of an item: rows of ``candidates``."""
    rows = []
    for offset, origin in enumerate(work.origins):
        index = work.first + offset
        rng = stream(work.config.seed, "candidate", work.round, index)
        row = _candidate(work, origin, index, rng)
        rows.append({"round": work.round, "index": index, **row})
    return {"candidates": rows}


def known_of_candidates(work: HuntWork) -> list[Row]:
    """What is known of the candidates of an item before it is worked on."""
    return [
        {
            "round": work.round,
            "index": work.first + offset,
            "source": "none",
            "parent": canonical_key(origin.parent),
        }
        for offset, origin in enumerate(work.origins)
    ]


def _is_tried(triangulation: Triangulation, tried: NDArray[np.uint64]) -> bool:
    """Whether an earlier round has had a triangulation or an image of it under S3."""
    number = key_number(canonical_key(triangulation))
    place = int(np.searchsorted(tried, number))
    return place < len(tried) and tried[place] == number


def _new_variant(work: HuntWork, origin: Origin, rng: np.random.Generator) -> Triangulation:
    """Draw a variant that the hunt has not had; the last draw is taken as it is."""
    mean_flips = work.config.mean_flips
    for _ in range(MAX_REDRAWS - 1):
        variant = vary(origin, rng, mean_flips=mean_flips)
        if not _is_tried(variant, work.tried):
            return variant
        mean_flips *= 1.5
    return vary(origin, rng, mean_flips=mean_flips)


def _climbed(work: HuntWork, start: Origin, rng: np.random.Generator) -> Triangulation:
    """Walk from a triangulation to better ones; a step back in promise is not taken."""
    move: Move = "symmetric" if start.move == "symmetric" else "mutation"
    best, rank = start.parent, promise(start.parent, work.hits)
    for _ in range(work.config.proposals):
        variant = _new_variant(work, Origin(move, best), rng)
        variant_rank = promise(variant, work.hits)
        if variant_rank >= rank:
            best, rank = variant, variant_rank
    return best


def _candidate(
    work: HuntWork, origin: Origin, index: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Choose one candidate and evaluate it."""
    config = work.config
    chosen = origin.parent
    if origin.move != "seed":
        chosen = _new_variant(work, origin, rng)
        if index % 2:
            chosen = _climbed(work, replace(origin, parent=chosen, second=None), rng)
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


def archive_rows(
    known: frozenset[str],
    archive: Archive,
    number: int,
    better: Sequence[Find],
    new: frozenset[int],
) -> list[Row]:
    """What a round added to the archive; `new` are the codes it found first."""
    last = {find.code: find for find in better}  # the smallest of this round
    rows: list[Row] = []
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
                "is_maximal": is_maximal(scheme, archive.degree),
                "is_known": str(scheme) in known,
                "is_first": code in new,
                "candidates": archive.num_candidates,
                "witness": find.witness,
                "triangles": find.candidate.triangulation.triangles.tolist(),
                "weights": weights,
                "weight_bits": weight_bits(weights),
            }
        )
    return rows
