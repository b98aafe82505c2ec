"""From words on the command line to a frozen config: flow, recipe, ``key=value`` assignments.

Everything here is refused with `tasks.records.InputError`, one line, before Prefect or Ray start.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from flows import all_studies
from flows.study import SMOKE_SUFFIX, Chain, Recipe, Study, load, read_recipes
from tasks.records.config import describe_validation_error
from tasks.records.errors import InputError, shortened, unknown_name

if TYPE_CHECKING:
    from tasks.records import FrozenConfig, Run

__all__ = [
    "build_config",
    "check_address",
    "check_older",
    "find_recipe",
    "find_shown",
    "parse_assignments",
    "recipe_config",
]


def find_recipe(study: Study | Chain, name: str) -> tuple[Recipe, bool]:
    """The recipe that a name means, and whether its smoke twin is meant (``<name>-smoke``).

    ``FILE.toml``, or ``FILE.toml#NAME``, is a recipe of one's own.
    """
    file, _, own = name.partition("#")
    listed = study.recipes
    if file.endswith(".toml"):
        listed = read_recipes(Path(file))
        name = own or listed[0].name
    recipes = {recipe.name: recipe for recipe in listed}
    stem = name.removesuffix(SMOKE_SUFFIX)
    if stem not in recipes:
        raise InputError(unknown_name("recipe", name, recipes))
    return recipes[stem], stem != name


def find_shown(name: str) -> tuple[Study | Chain, Recipe | None, bool]:
    """The flow of that name, else the recipe of that name with its flow; whether it is a twin."""
    studies = all_studies()
    if name in studies:
        return studies[name], None, False
    for study in studies.values():
        if name.removesuffix(SMOKE_SUFFIX) in {recipe.name for recipe in study.recipes}:
            return study, *find_recipe(study, name)
    known = [*studies, *(recipe.name for study in studies.values() for recipe in study.recipes)]
    raise InputError(unknown_name("flow or recipe", name, known))


def check_address(address: str) -> None:
    """Refuse an address that has none of the forms that `workers.connect` knows."""
    from workers.ray_session import parse_address

    if address != "serial":
        parse_address(address)


def recipe_config(study: Study | Chain, recipe: Recipe, *, smoke: bool) -> FrozenConfig:
    """The config of a recipe or of its smoke twin."""
    values = dict(recipe.smoke if smoke else recipe.settings)
    name = f"recipe {recipe.name}{SMOKE_SUFFIX if smoke else ''}: "
    return _validated(load(study.config), values, name)


def _validated(
    config_class: type[FrozenConfig], values: dict[str, Any], where: str = ""
) -> FrozenConfig:
    try:
        return config_class.model_validate(values)
    except ValidationError as error:
        raise InputError(where + describe_validation_error(error)) from error


def check_older(study: Study, run: Run) -> None:
    """Refuse a run of an older release whose settings have other names now."""
    try:
        load(study.config).model_validate(run.record.config)
    except ValidationError as error:
        found = [e["loc"] for e in error.errors() if e["type"] == "extra_forbidden"]
        if names := ", ".join(".".join(map(str, place)) for place in found):
            raise InputError(
                f"run {run.run_id} was stored by an older release with settings that have other "
                f"names now ({names}): its Arrow tables in {run.path} can be read as they are"
            ) from error


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
        return json.loads(text, object_pairs_hook=_with_each_key_once)
    except InputError:
        raise
    except (ValueError, RecursionError):  # ValueError: no JSON, or a number of too many digits
        return text


def _with_each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for key, number in Counter(key for key, _ in pairs).items():
        if number > 1:
            raise InputError(f"--set: the key {shortened(key)} stands twice in one value")
    return dict(pairs)


def build_config(
    study: Study | Chain,
    *,
    recipe: str | None = None,
    smoke: bool = False,
    assignments: Mapping[str, Any] | None = None,
) -> FrozenConfig:
    """The config of a run: the recipe's values (or the defaults), then the assignments.

    ``key.part`` reaches into a field that is a config itself. A single word given for a field that
    holds a list stands for a list of one.
    """
    config_class = load(study.config)
    values = _starting_values(study, recipe, smoke)
    for key, value in (assignments or {}).items():
        _assign(config_class, values, key, value, key)
    return _validated(config_class, values)


def _assign(
    config_class: type[FrozenConfig], values: dict[str, Any], part: str, value: Any, key: str
) -> None:
    """Set one field, or a field of a field: what `part`, an end of `key`, means."""
    name, _, rest = part.partition(".")
    if name not in config_class.model_fields:
        raise InputError(unknown_name("key", name, config_class.model_fields))
    if not rest:
        values[name] = _as_list(config_class, name, value)
        return
    field = config_class.model_fields[name]
    inner = field.annotation
    if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
        raise InputError(f"--set {key}: {name} has no fields of its own")
    if name not in values:
        values[name] = {} if field.is_required() else field.get_default().model_dump()
    if not isinstance(values[name], dict):
        raise InputError(f"{name}: {values[name]!r} is not allowed: give its fields, as in {key}")
    _assign(inner, values[name], rest, value, key)  # pyrefly: ignore[bad-argument-type]


def _starting_values(study: Study | Chain, recipe: str | None, smoke: bool) -> dict[str, Any]:
    """The values of the recipe; without one the smoke twin of the first recipe, or nothing."""
    if recipe is None and not smoke:
        return {}
    chosen, is_twin = find_recipe(study, recipe if recipe is not None else study.recipes[0].name)
    return recipe_config(study, chosen, smoke=smoke or is_twin).model_dump()


def _as_list(config_class: type[FrozenConfig], key: str, value: Any) -> Any:
    """A list of one, where the field holds a list and the value is a word or a number."""
    schema = config_class.model_json_schema()["properties"][key]
    if schema.get("type") != "array":
        return value
    takes_numbers = schema.get("items", {}).get("type") in ("number", "integer")
    return [value] if isinstance(value, (str, int, float) if takes_numbers else str) else value
