"""From words on the command line to a frozen config: flow, recipe, ``key=value`` assignments.

Everything here is refused with `tasks.records.InputError`, one line, before Prefect or Ray start.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from flows import FLOWS, FlowEntry
from flows.recipes import SMOKE_SUFFIX, Recipe
from tasks.records import InputError, describe_validation_error
from workers.ray_session import parse_address

if TYPE_CHECKING:
    from tasks.records import FrozenConfig

__all__ = [
    "build_config",
    "check_address",
    "find_flow",
    "find_recipe",
    "find_shown",
    "parse_assignments",
    "recipe_config",
]


def find_flow(name: str) -> FlowEntry:
    """The flow of that name."""
    if name not in FLOWS:
        raise InputError(_unknown("flow", name, FLOWS))
    return FLOWS[name]


def find_recipe(recipes: Mapping[str, Recipe], name: str) -> tuple[Recipe, bool]:
    """The recipe that a name means, and whether its smoke twin is meant (``<name>-smoke``)."""
    stem = name.removesuffix(SMOKE_SUFFIX)
    if stem not in recipes:
        raise InputError(_unknown("recipe", name, recipes))
    return recipes[stem], stem != name


def find_shown(name: str) -> tuple[FlowEntry, Recipe | None, bool]:
    """The flow of that name, else the recipe of that name with its flow; whether it is a twin."""
    if name in FLOWS:
        return FLOWS[name], None, False
    known = list(FLOWS)
    for entry in FLOWS.values():
        recipes: Mapping[str, Recipe] = entry.load("recipes")
        if name.removesuffix(SMOKE_SUFFIX) in recipes:
            return entry, *find_recipe(recipes, name)
        known += recipes
    raise InputError(_unknown("flow or recipe", name, known))


def check_address(address: str) -> None:
    """Refuse an address that has none of the forms that `workers.connect` knows."""
    if address != "serial":
        parse_address(address)


def recipe_config(recipe: Recipe, *, smoke: bool) -> FrozenConfig:
    """The config of a recipe or of its smoke twin."""
    return recipe.smoke() if smoke else recipe.config()


def parse_assignments(texts: Iterable[str]) -> dict[str, Any]:
    """``key=value`` texts as a mapping: a value is JSON where it parses, else the string itself.

    A key that is given twice takes its last value.
    """
    values: dict[str, Any] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key.strip():
            raise InputError(f"--set {text}: expected key=value, for example --set engine=frontier")
        values[key.strip()] = _value(value)
    return values


def _value(text: str) -> Any:
    """JSON where it parses, else the string itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # ValueError: no JSON, or a number of too many digits
        return text


def build_config(
    entry: FlowEntry,
    *,
    recipe: str | None = None,
    smoke: bool = False,
    assignments: Mapping[str, Any] | None = None,
) -> FrozenConfig:
    """The config of a run: the recipe's values (or the defaults), then the assignments.

    A single value given for a field that holds a list of them stands for a list of one.
    """
    config_class = entry.load("config")
    given = dict(assignments or {})
    for key in given:
        if key not in config_class.model_fields:
            raise InputError(_unknown("key", key, config_class.model_fields))
    values = _starting_values(entry, recipe, smoke) | {
        key: _as_list(config_class, key, value) for key, value in given.items()
    }
    try:
        return config_class.model_validate(values)
    except ValidationError as error:
        raise InputError(describe_validation_error(error)) from error


def _starting_values(entry: FlowEntry, recipe: str | None, smoke: bool) -> dict[str, Any]:
    """The values of the recipe; without one the smoke twin of the first recipe, or nothing."""
    recipes: Mapping[str, Recipe] = entry.load("recipes")
    if recipe is None and not smoke:
        return {}
    chosen, is_twin = find_recipe(recipes, recipe if recipe is not None else next(iter(recipes)))
    return recipe_config(chosen, smoke=smoke or is_twin).model_dump()


def _as_list(config_class: type[FrozenConfig], key: str, value: Any) -> Any:
    """A list of one, where the field holds a list and the value is a word."""
    schema = config_class.model_json_schema()["properties"][key]
    return [value] if schema.get("type") == "array" and isinstance(value, str) else value


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    """One line: what was given, what is meant probably, what there is."""
    names: Sequence[str] = list(known)
    close = get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"unknown {what} {name!r}; {hint}known: {', '.join(names)}"
