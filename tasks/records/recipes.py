"""Recipes: named configs, written in TOML files."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.records.errors import InputError, shortened, unknown_name

__all__ = ["SMOKE_SUFFIX", "Recipe", "read_recipes"]

SMOKE_SUFFIX = "-smoke"
_KINDS = {"summary": str, "settings": dict, "smoke": dict, "like": str, "smoke_of": str}


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
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"recipes {path}: {error}") from error
    found: dict[str, Recipe] = {}
    for name, table in tables.items():
        if fault := _fault(name, table, found):
            raise InputError(f"recipes {path}: {name}{fault}")
        base = found.get(table.get("like", ""))
        twin = found.get(table.get("smoke_of", ""), base)
        settings = {**(base.settings if base else {}), **table.get("settings", {})}
        smoke = table.get("smoke", twin.smoke if twin else settings)
        found[name] = Recipe(name, table.get("summary", ""), settings, smoke)
    if not found:
        raise InputError(f"recipes {path}: there is no recipe in it")
    return tuple(found.values())


def _fault(name: str, table: Any, earlier: Mapping[str, Recipe]) -> str:
    """What is wrong with a table, "" if nothing is."""
    if name.endswith(SMOKE_SUFFIX):
        return f": names that end in {SMOKE_SUFFIX} mean twins"
    if not isinstance(table, dict) or not table.keys() <= _KINDS.keys():
        return f" must be a table of {', '.join(sorted(_KINDS))}"
    for key, value in table.items():
        if not isinstance(value, _KINDS[key]):
            kind = "text" if _KINDS[key] is str else "table"
            return f".{key} must be a {kind}, not {shortened(value)}"
    for key in ("like", "smoke_of"):
        if key in table and table[key] not in earlier:
            return f".{key}: {unknown_name('earlier recipe', table[key], earlier)}"
    return ""
