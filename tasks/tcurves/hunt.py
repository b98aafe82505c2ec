"""The plan of a hunt for schemes: its config, its tables, its starts and what is known.

A hunt goes through rounds (`hunt_rounds`): an archive proposes candidates, each is certified and
counted, and the archive learns.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Self

import pyarrow as pa
from pydantic import Field, model_validator

from tasks.lattice import Triangulation, honeycomb, load_triangulations
from tasks.records.canonical import fingerprint
from tasks.records.config import FrozenConfig
from tasks.records.errors import InputError
from tasks.records.rows import Row
from tasks.records.schema import column, science_schema
from tasks.records.work import Inputs
from tasks.tcurves.restrictions import harnack_bound
from tasks.tcurves.schemes import Scheme
from tasks.tcurves.verify import CLASSIFIED_DEGREE, possible_schemes


class HuntConfig(FrozenConfig):
    """Where to hunt, how, and for how long."""

    degree: int = Field(default=7, ge=3, le=9)
    """Degree of the curves."""

    starts: tuple[str, ...] = Field(default=(), max_length=10_000)
    """Triangulations to start from, as names or files; empty: the honeycomb alone."""

    known: str = Field(default="auto", min_length=1)
    """Schemes that are not news: auto (the classification up to degree 7, the reported ones in
    degree 8), none, or a JSON file with a list of schemes in Viro notation."""

    round_size: int = Field(default=16, ge=1, le=4096)
    """Candidates of a round; the archive learns after each round."""

    per_call: int = Field(default=4, ge=1, le=1024)
    """Candidates of one call to a worker."""

    proposals: int = Field(default=16, ge=0, le=4096)
    """Steps by which every other candidate is improved before its census."""

    mean_flips: float = Field(default=5.0, ge=1.0, le=10_000.0)
    """Mean number of flips of a mutation."""

    crossing_share: float = Field(default=0.15, ge=0.0, le=1.0)
    """Share of the candidates that cross two parents."""

    heights_share: float = Field(default=0.05, ge=0.0, le=1.0)
    """Share of the candidates that change the weights of a parent a little."""

    symmetric_share: float = Field(default=0.05, ge=0.0, le=1.0)
    """Share of the candidates that keep a reflection of the triangle; the others are flipped."""

    patience: int = Field(default=600, ge=0)
    """Censuses without a scheme that is new since the last start, after which the search starts
    again from `starts`, keeping what it has found; 0: never."""

    min_ovals: int = Field(default=0, ge=0, le=29)
    """Ovals from which on a targeted census counts."""

    targeted_share: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the candidates whose census is targeted at `min_ovals`; the others are complete."""

    seed: int = Field(default=0, ge=0, lt=1 << 63)
    """Root of all random streams."""

    memory_gib: float = Field(default=1.0, gt=0.0, le=4096.0)
    """Memory budget of one census in GiB; also bounds its time. Beyond it: status over_budget."""

    seconds: float = Field(default=300.0, gt=0.0)
    """No new round starts after this time; running the hunt again goes on from there."""

    stop_at: int = Field(default=0, ge=0)
    """Stop once so many schemes are found; 0: never."""

    @model_validator(mode="after")
    def _ovals_are_possible(self) -> Self:
        most = harnack_bound(self.degree) - self.degree % 2
        if self.min_ovals > most:
            raise ValueError(
                f"min_ovals = {self.min_ovals} is not allowed: curves of degree {self.degree} have "
                f"at most {most} ovals"
            )
        return self

    @model_validator(mode="after")
    def _shares_leave_room(self) -> Self:
        total = self.crossing_share + self.heights_share + self.symmetric_share
        if total > 1.0:
            raise ValueError(
                f"crossing_share + heights_share + symmetric_share = {total:g} is not allowed: "
                "give shares that add up to 1 at most"
            )
        return self


CANDIDATES_SCHEMA = science_schema(
    column("round", pa.int32(), "round, from 0: the starts"),
    column("index", pa.int32(), "place within the round"),
    column("source", pa.string(), "seed, mutation, crossing, heights or symmetric"),
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
    column("candidates", pa.int64(), "censuses taken up to the end of this round"),
    column("witness", pa.uint64(), "signs: bit i is the sign of point i"),
    column("triangles", pa.list_(pa.list_(pa.int32(), 3)), "point indices of the triangles"),
    column("weights", pa.list_(pa.int64()), "integer weights that prove regularity"),
    column("weight_bits", pa.int64(), "sum of the bit lengths of the weights"),
)
"""One row per scheme and improvement: the last row of a scheme is its smallest certificate."""


KNOWN_SCHEMA = science_schema(column("scheme", pa.string(), "real scheme in Viro notation"))
"""The schemes that are not news."""


@dataclass(frozen=True)
class HuntInputs:
    """Where a hunt starts, and what it knows."""

    starts: tuple[Triangulation, ...]
    known: frozenset[str]
    """Schemes that are not news, in Viro notation."""


def hunt_inputs(config: HuntConfig) -> Inputs:
    """Load the starting triangulations and the known schemes.

    Raises
    ------
    InputError
        For bad triangulations, those of another degree, or a bad list of known schemes.
    """
    starts = load_triangulations(config.starts) if config.starts else [honeycomb(config.degree)]
    for start in starts:
        if start.degree != config.degree:
            raise InputError(
                f"{start.name} has degree {start.degree}; this hunt is in degree {config.degree}"
            )
    known = _known_schemes(config)
    contents = {start.name: start.content_hash() for start in starts}
    return Inputs(
        {**contents, "known schemes": fingerprint(sorted(known))},
        HuntInputs(tuple(starts), frozenset(known)),
        {"starts": list(contents)},
    )


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
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot read the known schemes {path}: {error}") from error
    listed = content.get("schemes") if isinstance(content, dict) else content
    if not isinstance(listed, list) or not all(isinstance(entry, str) for entry in listed):
        raise InputError(f"{path} must hold a JSON list of schemes in Viro notation")
    try:
        schemes = [Scheme.parse(entry) for entry in listed]
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if any(scheme.pseudo_line != bool(config.degree % 2) for scheme in schemes):
        raise InputError(f"{path} holds schemes that no curve of degree {config.degree} has")
    return tuple(map(str, sorted(set(schemes))))


def known_rows(known: frozenset[str]) -> list[Row]:
    """The schemes that are not news, so that a report needs nothing but the run."""
    return [{"scheme": str(scheme)} for scheme in sorted(map(Scheme.parse, known))]
