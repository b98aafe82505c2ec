"""Units of work of a study: what there is to do, and what each result depends on.

A *stage* of a study is a call on many *items*. Items come in *waves*: a census has one wave, a hunt
one for each round, and the next wave may depend on the rows that earlier ones stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tasks.records.own_code import OwnCode

__all__ = ["Inputs", "Item", "Place", "Plan", "Resources", "Wave"]


@dataclass(frozen=True)
class Inputs:
    """What a config names, loaded and validated.

    Attributes
    ----------
    contents
        Name -> hash of the content of every input; part of the run's identity.
    value
        The loaded inputs, as the study's own functions want them.
    settings
        Fields of the config that enter the identity with other values, such as the names of
        triangulations instead of the paths of their files.
    code
        Functions of one's own that calls need; their sources travel with the calls.
    places
        Fields of the config that say where something is, which does not name the run; kept beside
        it, for commands that need the same again.
    """

    contents: Mapping[str, str] = field(default_factory=dict)
    value: Any = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    code: Sequence[OwnCode] = ()
    places: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Item:
    """One call.

    Attributes
    ----------
    key
        Names the item in the tables of its stage.
    argument
        What the call gets first; it is pickled.
    origin
        Plain data that the result depends on, beside the config's settings, the code and the parts
        that are read. An item of equal key and origin has the same result. By default the contents
        of all inputs.
    parts
        Keys of the items whose stored rows the call gets; by default its own key.
    shares
        Names of the shared values that the call gets behind everything else.
    size
        How many of the study's subjects it stands for.
    """

    key: str
    argument: Any
    origin: Mapping[str, Any] | None = None
    parts: tuple[str, ...] = ()
    shares: tuple[str, ...] = ()
    size: int = 1


@dataclass(frozen=True)
class Plan:
    """What the functions of a study know of a run: the config and the value of its inputs.

    `round` counts from 0, for waves of a study that goes through its stages more than once.
    """

    config: Any
    value: Any = None
    round: int = 0


@dataclass(frozen=True)
class Wave:
    """Items that can be worked on at the same time; `title` is what a person reads."""

    items: Sequence[Item]
    title: str = ""


@dataclass(frozen=True)
class Resources:
    """What one call needs: cores, and GPUs (one for each of `count`) if the device says so."""

    device: Literal["auto", "cpu", "cuda"] = "cpu"
    count: int = 1


@dataclass(frozen=True)
class Place:
    """Where a call runs: the run's folder (path or URI), and the device."""

    folder: str
    device: Literal["cpu", "cuda"] = "cpu"
