"""Frozen configurations: immutable, validated, with fingerprints (`tasks.records.canonical`)."""

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.records.canonical import canonical_json, fingerprint
from tasks.records.errors import shortened


class FrozenConfig(BaseModel):
    """Base of all configs: immutable, no unknown keys, defaults validated, finite numbers.

    One attribute docstring per field becomes the field's description in forms and help texts.

    Examples
    --------
    >>> class Demo(FrozenConfig):
    ...     memory_gib: float = 4.0
    >>> Demo().canonical_json()
    '{"memory_gib":4.0}'
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        allow_inf_nan=False,
    )

    def own_code(self) -> Mapping[str, str]:
        """Fields that name functions of one's own (`tasks.records.own_code`); none by default."""
        return {}

    def canonical_json(self) -> str:
        """Canonical form: sorted keys, independent of class name and field order."""
        return canonical_json(self)

    def fingerprint(self) -> str:
        """First 16 hex digits of the SHA-256 of the canonical form."""
        return fingerprint(self)


def describe_validation_error(
    error: ValidationError, *, model: type[BaseModel] | None = None
) -> str:
    """One line for people, e.g. ``memory_gib: 0 is not allowed: must be greater than 0``.

    With `model` given, an unknown key is answered with the closest allowed one and the full list.
    """
    return "; ".join(
        _describe(dict(entry), model) for entry in error.errors(include_url=False)
    ).replace("\n", " ")


def _describe(entry: dict[str, Any], model: type[BaseModel] | None) -> str:
    where = ".".join(str(part) for part in entry["loc"])
    prefix = f"{where}: " if where else ""
    if entry["type"] == "missing":
        return f"{prefix}is required but missing"
    if entry["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{prefix}unknown key{_allowed(entry, model)}"
    if entry["type"] == "json_invalid":
        return f"{prefix}{entry['msg']}"
    if entry["type"] in ("value_error", "assertion_error") and isinstance(entry["input"], Mapping):
        # A rule of the model itself names its fields; the whole input would only hide them.
        return f"{prefix}{_rule(entry['msg'])}"
    return f"{prefix}{shortened(entry['input'])} is not allowed: {_rule(entry['msg'])}"


def _allowed(entry: dict[str, Any], model: type[BaseModel] | None) -> str:
    if model is None or len(entry["loc"]) != 1:
        return ""
    names = sorted(model.model_fields)
    close = difflib.get_close_matches(str(entry["loc"][0]), names, n=1)
    hint = f", did you mean {close[0]}?" if close else ";"
    return f"{hint} allowed: {', '.join(names)}"


def _rule(message: str) -> str:
    message = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return message.replace("Input should", "must", 1)
