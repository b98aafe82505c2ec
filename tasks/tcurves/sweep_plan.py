"""Sweeps before they start: which sign vectors of which triangulations, cut into shards.

A *sweep* of a triangulation evaluates a range of its sign classes, random sign classes, or the
Hamming balls around given sign vectors.  It is cut into *shards* of equal size, the last one
possibly smaller; a shard is one item of work and knows its sign vectors from its number alone.

The device is not part of a run's identity: the results are the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from gpu.backend import Device, DeviceUnavailableError, resolve_device
from tasks.lattice import Triangulation, load_triangulations, num_points
from tasks.records.config import FrozenConfig
from tasks.records.errors import InputError
from tasks.records.work import Inputs, Item, Plan, Resources
from tasks.tcurves._sign_sources import ball_size
from tasks.tcurves.patchwork import MAX_WORD_DEGREE
from tasks.tcurves.run import triangulation_inputs
from tasks.tcurves.signs import num_sign_classes

MAX_SHARDS = 100_000
"""A shard makes a few small files; more of them than this keep a file system busier than a core."""


class SweepConfig(FrozenConfig):
    """Which sign vectors of which triangulations to evaluate, and where."""

    triangulations: tuple[str, ...] = Field(
        default=("6_honeycomb", "6_bat"), min_length=1, max_length=100_000
    )
    """Built-in names such as 7_fra, honeycombs such as 9_honeycomb, or files (.json, .arrow, text);
    degree <= 9."""

    signs: Literal["range", "random", "ball"] = "range"
    """range: the sign classes from begin to end; random: uniformly random sign classes; ball: all
    sign vectors within a Hamming distance of the centers."""

    begin: int = Field(default=0, ge=0, lt=1 << 52)
    """First sign class of a range."""

    end: int = Field(default=0, ge=0, le=1 << 52)
    """End of a range, not included; 0 stands for the number of all sign classes."""

    samples: int = Field(default=1 << 22, ge=1, le=1 << 52)
    """Random sign classes of each triangulation."""

    centers: tuple[int, ...] = Field(default=(), max_length=10_000)
    """Sign vectors in the middle of the balls, as words: bit i is the sign of point i; none stands
    for the Harnack signs, which give maximal curves."""

    radius: int = Field(default=3, ge=0, le=55)
    """Largest Hamming distance from a center."""

    min_ovals: int = Field(default=0, ge=0, le=29)
    """Schemes with fewer ovals are not looked for; a high value is up to hundreds of times faster,
    since sign vectors with too few components are recognized early."""

    seed: int = Field(default=0, ge=0, lt=1 << 63)
    """Seed of the random sign classes."""

    shard_size: int = Field(default=1 << 22, ge=1, le=1 << 40)
    """Sign vectors of one item of work: seconds on one core per 4 million; 2^32 suit a GPU."""

    device: Device = "auto"
    """Where to evaluate: auto takes a GPU if there is one; the results are the same."""


@dataclass(frozen=True)
class SweepWork:
    """One shard of the sweep of one triangulation."""

    triangulation: Triangulation
    config: SweepConfig
    shard: int

    @property
    def key(self) -> str:
        """Name of the item within its run."""
        return f"{self.triangulation.name}.{self.shard:06d}"

    @property
    def part(self) -> range:
        """Numbers of the shard's sign vectors within the sweep of the triangulation."""
        size = self.config.shard_size
        total = num_evaluations(self.config, self.triangulation.degree)
        return range(self.shard * size, min((self.shard + 1) * size, total))


def num_evaluations(config: SweepConfig, degree: int) -> int:
    """Count the sign vectors that the sweep of one triangulation evaluates."""
    if config.signs == "range":
        return (config.end or num_sign_classes(degree)) - config.begin
    if config.signs == "random":
        return config.samples
    return max(1, len(config.centers)) * ball_size(degree, config.radius)


def sweep_inputs(config: SweepConfig) -> Inputs:
    """Load and validate all triangulations.

    Raises
    ------
    InputError
        For what `load_triangulations` refuses, a degree above 9, a range or a center that a
        triangulation does not have, or too many shards.
    """
    triangulations = load_triangulations(config.triangulations)
    for triangulation in triangulations:
        _check_signs(config, triangulation)
    count = sum(num_shards(config, t.degree) for t in triangulations)
    if count > MAX_SHARDS:
        raise InputError(
            f"shard_size: {config.shard_size} makes {count} shards, at most {MAX_SHARDS} "
            f"are possible; take {config.shard_size * -(-count // MAX_SHARDS)} or more"
        )
    return triangulation_inputs(triangulations)


def num_shards(config: SweepConfig, degree: int) -> int:
    """Count the shards of one triangulation."""
    return -(-num_evaluations(config, degree) // config.shard_size)


def sweep_items(plan: Plan) -> list[Item]:
    """One item for each shard."""
    items = []
    for triangulation in plan.value:
        # An item travels: it need not carry the names of all others.
        own = plan.config.model_copy(update={"triangulations": (triangulation.name,)})
        content = {"content": triangulation.content_hash()}
        for shard in range(num_shards(own, triangulation.degree)):
            work = SweepWork(triangulation, own, shard)
            items.append(Item(work.key, work, content))
    return items


def sweep_summary_items(plan: Plan) -> list[Item]:
    """One item for each triangulation, which reads all its shards."""
    return [
        Item(
            t.name,
            t,
            {"content": t.content_hash()},
            parts=tuple(
                SweepWork(t, plan.config, shard).key
                for shard in range(num_shards(plan.config, t.degree))
            ),
        )
        for t in plan.value
    ]


def sweep_resources(config: SweepConfig) -> Resources:
    """What a shard needs."""
    return Resources(config.device)


def _check_signs(config: SweepConfig, triangulation: Triangulation) -> None:
    """Refuse sign vectors that a triangulation does not have."""
    name, degree = triangulation.name, triangulation.degree
    if degree > MAX_WORD_DEGREE:
        raise InputError(
            f"triangulation {name} has degree {degree}; a sweep goes up to degree {MAX_WORD_DEGREE}"
        )
    classes = num_sign_classes(degree)
    if config.signs == "range" and not config.begin < (config.end or classes) <= classes:
        raise InputError(
            f"begin={config.begin}, end={config.end}: {name} has the sign classes 0 to "
            f"{classes - 1}; give 0 <= begin < end <= {classes}, or end=0 for all"
        )
    for center in config.centers if config.signs == "ball" else ():
        if not 0 <= center < 1 << num_points(degree):
            raise InputError(
                f"centers: {center} is no sign word of {name}, which has {num_points(degree)} "
                f"points; give numbers from 0 to {(1 << num_points(degree)) - 1}"
            )


def check_sweep_device(config: SweepConfig, address: str) -> None:
    """Refuse a GPU that is not there; on a cluster only the workers can tell.

    Parameters
    ----------
    config : SweepConfig
    address : str
        Where the calls run, as accepted by `workers.connect`.

    Raises
    ------
    InputError
        If device is cuda, the calls run on this machine, and CUDA cannot be used here.
    """
    if config.device != "cuda" or address not in ("local", "serial"):
        return
    try:
        resolve_device("cuda")
    except DeviceUnavailableError as error:
        raise InputError(f"device=cuda: {error}; use device=auto or device=cpu") from error
