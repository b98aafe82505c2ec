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
keys            `Plan` -> keys of all items in order, where the first stage has waves
waves           (`Plan`, `Stored`) -> iterator of `Wave`, for a stage whose items follow from rows
call            (argument[, place], *tables that it needs, *shared values) -> rows by table
known           argument -> what is known of an item whose call failed, as rows of the first table
prepare         () -> None: compiles and loads what the calls need, before any clock starts
resources       config -> `Resources` of one call
share           (`Stored`, name) -> a value that several items share
tally           `Stored` -> `flows.progress.Tally` of what has been found
report          `Stored` -> `Report`
figures         `Stored` -> iterable of `Figure`
check           (config, address) -> None: refuses what cannot run there
==============  ==================================================================================
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.records.errors import InputError
from tasks.records.lazy import Reference, load
from tasks.records.stage import Stage

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "SMOKE_SUFFIX",
    "TO",
    "Argument",
    "Chain",
    "Command",
    "Link",
    "Recipe",
    "Stage",
    "Study",
    "Verifier",
    "exporting",
    "load",
    "read_recipes",
    "recipes_of",
]

SMOKE_SUFFIX = "-smoke"


@dataclass(frozen=True)
class Recipe:
    """A named config.

    Attributes
    ----------
    name : str
        Name on the command line; the twin is called ``<name>-smoke``.
    summary : str
        One line for people.
    settings : Mapping
        Fields of the config that differ from the defaults.
    smoke : Mapping
        The same for a twin of equal shape that runs in less than 10 s on one CPU.
    """

    name: str
    summary: str
    settings: Mapping[str, Any]
    smoke: Mapping[str, Any]


def recipes_of(name: str) -> tuple[Recipe, ...]:
    """The recipes of one of the project's own studies: ``flows/recipes/<name>.toml``."""
    return read_recipes(Path(__file__).parent / "recipes" / f"{name}.toml")


def read_recipes(path: Path) -> tuple[Recipe, ...]:
    """Recipes of a TOML file, a table each.

    A table has ``summary``, ``settings`` and ``smoke``; ``like`` names an earlier recipe whose
    settings and twin are the defaults, ``smoke_of`` one whose twin is the same.

    Raises
    ------
    InputError
        If the file cannot be read, or a table has other entries.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"recipes {path}: {error}") from error
    found: dict[str, Recipe] = {}
    for name, table in tables.items():
        known = {"summary", "settings", "smoke", "like", "smoke_of"}
        if not isinstance(table, dict) or not set(table) <= known:
            allowed = ", ".join(sorted(known))
            raise InputError(f"recipes {path}: {name} must be a table of {allowed}")
        base = found.get(table.get("like", ""))
        twin = found.get(table.get("smoke_of", ""), base)
        settings = {**(base.settings if base else {}), **table.get("settings", {})}
        smoke = table.get("smoke", twin.smoke if twin else settings)
        found[name] = Recipe(name, table.get("summary", ""), settings, smoke)
    if not found:
        raise InputError(f"recipes {path}: there is no recipe in it")
    return tuple(found.values())


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


TO = Argument("to", "folder of the files; default: in the run's folder", "FOLDER")


def exporting(call: Reference) -> Command:
    """``latticework export RUN [--item KEY] --to FOLDER``: what leaves a run for use elsewhere."""
    item = Argument("item", "only this item: a scheme, a polynomial, or a model's key", "KEY")
    to = Argument("to", "folder of the files", "FOLDER")
    return Command(
        "export", "write certificates or models of a run for use elsewhere", call, (item, to)
    )


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
    config, inputs, keys, report, figures, check : reference
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
    figures: Reference = ""
    check: Reference = ""
    citations: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()
    selecting: tuple[str, ...] = ()
    label: str = "item"
    subject: str = "item"
    deployment: str = ""
    commands: tuple[Command, ...] = ()
    verifiers: tuple[Verifier, ...] = ()

    def schemas(self, settings: Mapping[str, Any]) -> dict[str, pa.Schema]:
        """Schema of every science table, for a run with these settings."""
        found = {name: load(reference) for name, reference in self.tables.items()}
        return {n: each(settings) if callable(each) else each for n, each in found.items()}

    @property
    def default(self) -> Recipe:
        """The recipe that the form of the Prefect UI begins with."""
        return self.recipes[0]


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

    name: str
    summary: str
    config: Reference
    links: tuple[Link, ...]
    recipes: tuple[Recipe, ...]
    deployment: str = ""

    @property
    def default(self) -> Recipe:
        """The recipe that the form of the Prefect UI begins with."""
        return self.recipes[0]
