"""Frozen configurations: immutable, validated, with fingerprints (`tasks.records.canonical`)."""

import difflib
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

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

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_no_truth_values(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true and false where a number is asked for: Python takes them for 1 and 0."""
        if _has_truth_value(value) and not _takes_truth_values(_annotation(cls, info)):
            raise ValueError("must not be true or false")
        return value

    def own_code(self) -> Mapping[str, str]:
        """Fields that name functions of one's own (`tasks.records.own_code`); none by default."""
        return {}

    def canonical_json(self) -> str:
        """Canonical form: sorted keys, independent of class name and field order."""
        return canonical_json(self)

    def fingerprint(self) -> str:
        """First 16 hex digits of the SHA-256 of the canonical form."""
        return fingerprint(self)


def _annotation(model: type[BaseModel], info: ValidationInfo) -> Any:
    return model.model_fields[info.field_name or ""].annotation


def _has_truth_value(value: Any) -> bool:
    """Whether a value, or a part of a list or a mapping, is true or false."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return any(map(_has_truth_value, value))
    return isinstance(value, bool)


def _takes_truth_values(annotation: Any) -> bool:
    """Whether a field of this type, or a part of it, may be true or false.

    Configs in it have a rule of their own.

    >>> _takes_truth_values(tuple[int, ...]), _takes_truth_values(bool | None)
    (False, True)
    """
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return True
    is_one = annotation in (bool, Any) or isinstance(annotation, bool)  # the latter in Literal
    return is_one or any(map(_takes_truth_values, get_args(annotation)))


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
