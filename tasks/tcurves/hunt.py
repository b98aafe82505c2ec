"""The hunt for schemes: rounds of proposals from an archive, each certified and then counted.

A round proposes `round_size` candidates.  A candidate is the most promising (`proposals.score`) of
some mutations of a parent or crossings of two, whose regularity is certified exactly; then its
census is taken.  The archive takes the candidates of a round in their order, and the next round
starts from it.  Everything random comes from streams named by round and index, so a hunt depends on
its seed and not on the workers, nor on where it was interrupted.

Irregular candidates are kept with that mark and without a census: their curves need not be
algebraic.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from tasks.lattice import Triangulation, canonical_key, certify, honeycomb, load_triangulations
from tasks.records import (
    BudgetExceeded,
    FrozenConfig,
    InputError,
    RunIdentity,
    Status,
    canonical_json,
    code_version,
    column,
    fingerprint,
    science_schema,
    science_table,
    stream,
)
from tasks.tcurves.archive import Archive, Find
from tasks.tcurves.census import frontier_census
from tasks.tcurves.proposals import cross, mutate, score
from tasks.tcurves.restrictions import is_maximal
from tasks.tcurves.schemes import Scheme
from tasks.tcurves.verify import CLASSIFIED_DEGREE, possible_schemes
from tasks.tcurves.weights import weight_bits

logger = logging.getLogger(__name__)

HUNT_FLOW = "tcurve-hunt"
HUNT_TABLES = ("candidates", "archive", "known")


class HuntConfig(FrozenConfig):
    """Where to hunt, how, and for how long."""

    degree: int = Field(default=7, ge=3, le=9)
    """Degree of the curves."""

    seeds: tuple[str, ...] = Field(default=(), max_length=10_000)
    """Triangulations to start from, as names or files; empty: the honeycomb alone."""

    known: str = Field(default="auto", min_length=1)
    """Schemes that are not news: auto (the classification up to degree 7, the reported ones in
    degree 8), none, or a JSON file with a list of schemes in Viro notation."""

    round_size: int = Field(default=16, ge=1, le=4096)
    """Candidates of a round; the archive learns after each round."""

    batch: int = Field(default=4, ge=1, le=1024)
    """Candidates of one call to a worker."""

    proposals: int = Field(default=4, ge=1, le=256)
    """Proposals from which every other candidate is chosen by score; the others take the first."""

    mean_flips: float = Field(default=5.0, ge=1.0, le=10_000.0)
    """Mean number of flips of a mutation."""

    crossing_share: float = Field(default=0.15, ge=0.0, le=1.0)
    """Share of the proposals that cross two parents."""

    min_ovals: int = Field(default=0, ge=0, le=29)
    """Ovals from which on a targeted census counts."""

    targeted_share: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the candidates whose census is targeted at `min_ovals`; the others are complete."""

    seed: int = Field(default=0, ge=0, lt=1 << 63)
    """Root of all random streams."""

    memory_gib: float = Field(default=1.0, gt=0.0, le=4096.0)
    """Memory budget of one census in GiB; also bounds its time. Beyond it: status over_budget."""

    minutes: float = Field(default=5.0, gt=0.0)
    """No new round starts after this time; running the hunt again goes on from there."""

    stop_at: int = Field(default=0, ge=0)
    """Stop once so many schemes are found; 0: never."""


CANDIDATES_SCHEMA = science_schema(
    column("round", pa.int32(), "round, from 0: the seeds"),
    column("index", pa.int32(), "place within the round"),
    column("source", pa.string(), "seed, mutation or crossing"),
    column("parent", pa.string(), "canonical key of the (first) parent"),
    column("key", pa.string(), "canonical key under the symmetries of the triangle"),
    column("score", pa.int32(), "log2 of the number of sign classes of M-curves"),
    column("regular", pa.bool_(), "exact regularity certificate; null if undecided"),
    column("triangles", pa.list_(pa.list_(pa.int32(), 3)), "point indices of the triangles"),
    column("weights", pa.list_(pa.int64()), "integer weights that prove regularity"),
    column("min_ovals", pa.int32(), "schemes with fewer ovals were not looked for"),
    column("num_schemes", pa.int32(), "schemes found"),
    column("peak_states", pa.int64(), "most states of a layer of the census"),
    column("transitions", pa.int64(), "state transitions of the census"),
    column("codes", pa.list_(pa.int64()), "codes of the schemes"),
    column("witnesses", pa.list_(pa.uint64()), "a sign vector for each code"),
    column("reason", pa.string(), "why there is no census; empty if there is one"),
)
"""One row per candidate."""

ARCHIVE_SCHEMA = science_schema(
    column("round", pa.int32(), "round of this certificate"),
    column("scheme", pa.string(), "real scheme in Viro notation"),
    column("ovals", pa.int32(), "number of ovals"),
    column("p", pa.int32(), "even ovals"),
    column("n", pa.int32(), "odd ovals"),
    column("depth", pa.int32(), "length of the longest nest"),
    column("is_maximal", pa.bool_(), "M-curve"),
    column("is_known", pa.bool_(), "on the list of known schemes"),
    column("is_first", pa.bool_(), "first certificate of this scheme, not a smaller one"),
    column("candidates", pa.int64(), "candidates tried up to the end of this round"),
    column("witness", pa.uint64(), "signs: bit i is the sign of point i"),
    column("triangles", pa.list_(pa.list_(pa.int32(), 3)), "point indices of the triangles"),
    column("weights", pa.list_(pa.int64()), "integer weights that prove regularity"),
    column("weight_bits", pa.int64(), "sum of the bit lengths of the weights"),
)
"""One row per scheme and improvement: the last row of a scheme is its smallest certificate."""


KNOWN_SCHEMA = science_schema(column("scheme", pa.string(), "real scheme in Viro notation"))
"""The schemes that are not news."""


@dataclass(frozen=True)
class HuntItem:
    """Some candidates of one round: parents for each, None for a seed itself."""

    config: HuntConfig
    identity: RunIdentity
    round: int
    first: int
    """Index of the first candidate."""
    parents: tuple[tuple[Triangulation, Triangulation | None], ...]

    @property
    def key(self) -> str:
        """Name of the item within its run; sorts by round and index."""
        return f"r{self.round:06d}.{self.first:05d}"


@dataclass(frozen=True)
class HuntPlan:
    """A hunt before it starts."""

    config: HuntConfig
    identity: RunIdentity
    seeds: tuple[Triangulation, ...]
    known: frozenset[str]
    """Schemes that are not news, in Viro notation."""
    items: tuple[HuntItem, ...] = ()
    """Nothing is planned in advance: a round is proposed when the one before is known."""


def plan_hunt(config: HuntConfig) -> HuntPlan:
    """Load seeds and known schemes and name the run.

    Raises
    ------
    InputError
        For bad seeds, seeds of another degree, or a bad list of known schemes.
    """
    seeds = load_triangulations(config.seeds) if config.seeds else [honeycomb(config.degree)]
    for seed in seeds:
        if seed.degree != config.degree:
            raise InputError(
                f"seed {seed.name} has degree {seed.degree}; this hunt is in degree {config.degree}"
            )
    known = _known_schemes(config)
    settings = config.model_dump(exclude={"minutes", "stop_at"})
    settings["seeds"] = [seed.name for seed in seeds]
    identity = RunIdentity(
        flow=HUNT_FLOW,
        config=canonical_json(settings),
        inputs=(
            *((seed.name, seed.content_hash()) for seed in seeds),
            ("known schemes", fingerprint(sorted(known))),
        ),
        code_version=code_version("tasks.records", "tasks.lattice", "tasks.tcurves", "gpu"),
        seed=config.seed,
    )
    return HuntPlan(config, identity, tuple(seeds), frozenset(known))


def reported_schemes() -> tuple[str, ...]:
    """List the schemes of degree 8 that public sources report as T-curves; no classification."""
    text = (files("tasks.tcurves") / "data" / "reported_schemes_8.json").read_text("utf-8")
    return tuple(json.loads(text)["schemes"])


def _known_schemes(config: HuntConfig) -> tuple[str, ...]:
    """Read the list of known schemes."""
    if config.known == "none":
        return ()
    if config.known == "auto":
        if config.degree <= CLASSIFIED_DEGREE:
            return possible_schemes(config.degree)
        return reported_schemes() if config.degree == 8 else ()
    path = Path(config.known)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the known schemes {path}: {error}") from error
    listed = content.get("schemes") if isinstance(content, dict) else content
    if not isinstance(listed, list) or not all(isinstance(entry, str) for entry in listed):
        raise InputError(f"{path} must hold a JSON list of schemes in Viro notation")
    schemes = [Scheme.parse(entry) for entry in listed]
    if any(scheme.pseudo_line != bool(config.degree % 2) for scheme in schemes):
        raise InputError(f"{path} holds schemes that no curve of degree {config.degree} has")
    return tuple(map(str, sorted(set(schemes))))


def known_table(plan: HuntPlan) -> pa.Table:
    """Lay out the schemes that are not news, so that a report needs nothing but the run."""
    schemes = sorted(map(Scheme.parse, plan.known))
    return science_table(
        KNOWN_SCHEMA, {"scheme": [str(scheme) for scheme in schemes]}, identity=plan.identity
    )


def round_items(plan: HuntPlan, archive: Archive, number: int) -> list[HuntItem]:
    """Propose the items of a round: the seeds in round 0, then parents drawn from the archive."""
    if number == 0:
        return [
            HuntItem(plan.config, plan.identity, 0, i, ((seed, None),))
            for i, seed in enumerate(plan.seeds)
        ]
    rng = stream(plan.config.seed, "parents", number)
    parents = []
    for _ in range(plan.config.round_size):
        first = archive.choose_parent(rng)
        crossing = rng.random() < plan.config.crossing_share
        parents.append((first, archive.choose_parent(rng) if crossing else None))
    size = plan.config.batch
    return [
        HuntItem(plan.config, plan.identity, number, begin, tuple(parents[begin : begin + size]))
        for begin in range(0, len(parents), size)
    ]


def run_hunt_item(item: HuntItem) -> dict[str, pa.Table]:
    """Propose, certify and count the candidates of an item: table ``candidates``."""
    rows = []
    for offset, pair in enumerate(item.parents):
        index = item.first + offset
        rng = stream(item.config.seed, "candidate", item.round, index)
        row = _propose(item, pair, index, rng)
        rows.append({"round": item.round, "index": index, **row})
    columns = {name: [row[name] for row in rows] for name in CANDIDATES_SCHEMA.names[3:]}
    return {"candidates": science_table(CANDIDATES_SCHEMA, columns, identity=item.identity)}


def failed_hunt_item(item: HuntItem, kind: str, message: str) -> dict[str, pa.Table]:
    """Record an item that failed as a whole: one row without census for each candidate."""
    rows = [
        {
            **dict.fromkeys(CANDIDATES_SCHEMA.names),
            "status": str(Status.FAILED),
            "round": item.round,
            "index": item.first + offset,
            "source": "none",
            "parent": canonical_key(pair[0]),
            "reason": f"{kind}: {message}",
        }
        for offset, pair in enumerate(item.parents)
    ]
    columns = {name: [row[name] for row in rows] for name in CANDIDATES_SCHEMA.names[3:]}
    return {"candidates": science_table(CANDIDATES_SCHEMA, columns, identity=item.identity)}


def _variant(
    config: HuntConfig,
    pair: tuple[Triangulation, Triangulation | None],
    rng: np.random.Generator,
) -> Triangulation:
    """Make one proposal."""
    first, second = pair
    crossed = first if second is None else cross(first, second, rng)
    # A crossing that gives a parent back is mutated like one.
    if second is None or crossed in (first.with_weights(None), second.with_weights(None)):
        return mutate(crossed, rng, mean_flips=config.mean_flips)
    return crossed


def _propose(
    item: HuntItem,
    pair: tuple[Triangulation, Triangulation | None],
    index: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Choose one candidate and evaluate it."""
    config = item.config
    if item.round == 0:
        chosen, source = pair[0], "seed"
    else:
        count = config.proposals if index % 2 else 1
        variants = [_variant(config, pair, rng) for _ in range(count)]
        chosen = max(variants, key=score) if count > 1 else variants[0]
        source = "mutation" if pair[1] is None else "crossing"
    targeted = rng.random() < config.targeted_share
    row = _evaluate(chosen, config, config.min_ovals if targeted else 0)
    return {"source": source, "parent": canonical_key(pair[0]), **row}


def _evaluate(triangulation: Triangulation, config: HuntConfig, min_ovals: int) -> dict[str, Any]:
    """Certify a triangulation and take its census."""
    certified = certify(triangulation)
    row: dict[str, Any] = {
        "status": str(Status.OK),
        "key": canonical_key(triangulation),
        "score": score(triangulation),
        "regular": certified.is_regular,
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
