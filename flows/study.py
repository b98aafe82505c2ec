"""What one question is: a `Study`, or a `Chain` of studies that hand their runs on.

A study names its functions by references ``package.module:object``, resolved when they are needed,
so that listing studies imports nothing. What the functions get and return are types of
`tasks.records`: they live in the fields and know neither Prefect nor Ray.

==============  ==================================================================================
reference       what it is
==============  ==================================================================================
config          class of the frozen config
inputs          config -> `Inputs`: everything that is named in it, loaded and validated
items           `Plan` -> items of a stage that are known in advance
keys            `Plan` -> keys of all items in order, where the first stage has waves, or several
                stages make items
waves           (`Plan`, `Stored`) -> iterator of `Wave`, for a stage whose items follow from rows
rounds          config -> how often the stages are gone through, for a study without other items
                than those of waves; `Plan.round` is the number of the round
call            (argument[, place], *tables that it needs, *shared values) -> rows by table
known           argument -> what is known of an item whose call failed, as rows of the first table
prepare         () -> None: compiles and loads what the calls need, before any clock starts
resources       config -> `Resources` of one call
share           (`Stored`, name) -> a value that several items share
tally           `Stored` -> `flows.progress.Tally` of what has been found
report          `Stored` -> `Report`
figures         `Stored` -> iterable of `Figure`
check           (config, address) -> None: refuses what cannot run there
estimate        config -> lines that say before the start what a run will take
==============  ==================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tasks.records.lazy import Reference, load
from tasks.records.recipes import SMOKE_SUFFIX, Recipe, read_recipes
from tasks.records.stage import Stage

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "SMOKE_SUFFIX",
    "Argument",
    "Chain",
    "Command",
    "Link",
    "Recipe",
    "Shortcut",
    "Stage",
    "Study",
    "Tool",
    "Verifier",
    "certifying",
    "exporting",
    "load",
    "read_recipes",
    "recipes_of",
]


def recipes_of(name: str) -> tuple[Recipe, ...]:
    """The recipes of one of the project's own studies: ``flows/recipes/<name>.toml``."""
    return read_recipes(Path(__file__).parent / "recipes" / f"{name}.toml")


@dataclass(frozen=True)
class Argument:
    """An option of a command or a verifier; one without `metavar` is a switch."""

    name: str
    help: str
    metavar: str = ""


@dataclass(frozen=True)
class Command:
    """``latticework NAME RUN``: what a study can do with a stored run, beside reporting.

    `call` gets `Stored` and one keyword for each argument, and returns lines to print; an iterator
    may raise `LatticeworkError` at its end if something was left out.
    """

    name: str
    help: str
    call: Reference
    arguments: tuple[Argument, ...] = ()


def exporting(call: Reference, *arguments: Argument) -> Command:
    """``latticework export RUN [--item KEY] --to FOLDER``: what leaves a run for use elsewhere."""
    which = "only this item: a scheme, a polynomial, or the key of a model or coloring"
    item = Argument("item", which, "KEY")
    to = Argument("to", "folder of the files", "FOLDER")
    what = "write certificates or models of a run for use elsewhere"
    return Command("export", what, call, (item, *arguments, to))


def certifying(call: Reference, *arguments: Argument) -> Command:
    """``latticework certify RUN [--to FOLDER]``, and what else a study lets one choose."""
    to = Argument("to", "folder of the files; default: in the run's folder", "FOLDER")
    return Command("certify", "write a certificate of every item of a run", call, (*arguments, to))


@dataclass(frozen=True)
class Shortcut:
    """``latticework NAME FILES...``: a run of a study whose config's `field` holds the files."""

    name: str
    help: str
    field: str
    metavar: str = "FILE"


@dataclass(frozen=True)
class Tool:
    """``latticework NAME ...``: what can be done without a stored run.

    `call` gets one keyword for each argument, and returns lines to print. `positional` arguments
    have to be given, in this order; the last one takes several files.
    """

    name: str
    help: str
    call: Reference
    positional: tuple[Argument, ...]
    arguments: tuple[Argument, ...] = ()

    def keywords(self) -> tuple[str, ...]:
        """Names of all arguments."""
        return tuple(each.name for each in (*self.positional, *self.arguments))


@dataclass(frozen=True)
class Verifier:
    """How certificate files of one kind are verified.

    `call` gets a `CertificateFile` and one keyword for each argument, a switch of ``latticework
    verify``, and returns a `Verdict`, or None if the file is of another kind.
    """

    kind: str
    call: Reference
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True)
class Study:
    """One question; the first recipe is the default of its form.

    Attributes
    ----------
    name, summary : str
        In Prefect, in the store and on the command line; one line for people.
    config, inputs, keys, rounds, report, figures, check, estimate : reference
        See the table of this module.
    tables : Mapping
        Name of every science table -> reference to its schema, or to a function of the settings.
    citations : tuple of str
        Keys of `tasks.records.CITATIONS`.
    unnamed : tuple of str
        Fields of the config that no result depends on, such as limits and devices.
    selecting : tuple of str
        Fields that say which items there are, not what becomes of one.
    label : str
        Column that names a subject in messages.
    subject : str
        What items are counted in, in the singular; its plural ends in s.
    deployment : str
        Name of its Prefect deployment.
    """

    name: str
    summary: str
    config: Reference
    tables: Mapping[str, Reference]
    stages: tuple[Stage, ...]
    report: Reference
    recipes: tuple[Recipe, ...]
    inputs: Reference = ""
    keys: Reference = ""
    rounds: Reference = ""
    figures: Reference = ""
    check: Reference = ""
    estimate: Reference = ""
    citations: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()
    selecting: tuple[str, ...] = ()
    label: str = "item"
    subject: str = "item"
    deployment: str = ""
    commands: tuple[Command, ...] = ()
    verifiers: tuple[Verifier, ...] = ()
    shortcuts: tuple[Shortcut, ...] = ()
    tools: tuple[Tool, ...] = ()

    def schemas(self, settings: Mapping[str, Any]) -> dict[str, pa.Schema]:
        """Schema of every science table, for a run with these settings."""
        found = {name: load(reference) for name, reference in self.tables.items()}
        return {n: each(settings) if callable(each) else each for n, each in found.items()}


@dataclass(frozen=True)
class Link:
    """One study of a chain, whose config is a field of the chain's.

    `given` maps fields of the study's config to templates of their values, in which ``{name}`` is
    the folder of the run of an earlier link, by the name of its field.
    """

    study: Study
    field: str
    given: Mapping[str, str | Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Chain:
    """Studies one after the other, each a run of its own that resumes and can be shared."""

    commands: ClassVar[tuple[Command, ...]] = ()
    verifiers: ClassVar[tuple[Verifier, ...]] = ()
    shortcuts: ClassVar[tuple[Shortcut, ...]] = ()
    tools: ClassVar[tuple[Tool, ...]] = ()
    name: str
    summary: str
    config: Reference
    links: tuple[Link, ...]
    recipes: tuple[Recipe, ...]
    deployment: str = ""
