import json
import os
from typing import Any, Literal

import pytest
from commands import run_python
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError, field_validator, model_validator

from tasks.records import FrozenConfig, canonical_json, describe_validation_error, fingerprint


class Census(FrozenConfig):
    triangulations: tuple[str, ...] = ("7_fra",)
    """names or files"""
    engine: Literal["frontier", "union-find"] = "frontier"
    memory_gib: float = Field(default=4.0, gt=0)
    """memory budget of one item in GiB"""


class Shares(FrozenConfig):
    first: float = 0.5
    second: float = 0.5

    @field_validator("first")
    @classmethod
    def _is_positive(cls, value: float) -> float:
        if value <= 0:
            raise ValueError("give a positive number")
        return value

    @model_validator(mode="after")
    def _leaves_room(self) -> "Shares":
        if self.first + self.second > 1:
            raise ValueError(f"first + second = {self.first + self.second:g} is not allowed")
        return self


class Reordered(FrozenConfig):
    memory_gib: float = 4
    engine: str = "frontier"
    triangulations: list[str] = Field(default=["7_fra"])


def test_fingerprint_equals_the_recorded_one():
    # Recorded once: a change here means that every stored run would be computed again.
    assert Census().canonical_json() == (
        '{"engine":"frontier","memory_gib":4.0,"triangulations":["7_fra"]}'
    )
    assert Census().fingerprint() == "407aac09cfd7ea71"


def test_fingerprint_ignores_class_name_field_order_and_container():
    assert Census().fingerprint() == Reordered().fingerprint()


def test_fingerprint_tells_values_apart():
    assert Census(memory_gib=2).fingerprint() != Census().fingerprint()


def test_fingerprint_of_sets_is_the_same_in_every_process():
    code = "from tasks.records import fingerprint; print(fingerprint(set('abcdefgh')))"
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        output = run_python("-c", code, env=environment).stdout
        assert output.strip() == fingerprint(list("abcdefgh"))


@given(st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.booleans(), st.none())))
def test_canonical_json_is_json_of_the_same_value_whatever_the_order(value):
    backwards = dict(reversed(value.items()))
    assert json.loads(canonical_json(value)) == value
    assert canonical_json(value) == canonical_json(backwards)


def test_configs_are_immutable():
    with pytest.raises(ValidationError):
        Census().memory_gib = 1.0


def test_attribute_docstrings_become_descriptions():
    assert Census.model_fields["memory_gib"].description == "memory budget of one item in GiB"


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"memory_gib": 0}, "memory_gib: 0 is not allowed: must be greater than 0"),
        (
            {"memory_gib": float("nan")},
            "memory_gib: nan is not allowed: must be a finite number",
        ),
        (
            {"engine": "x"},
            "engine: 'x' is not allowed: must be 'frontier' or 'union-find'",
        ),
        (
            {"memry_gib": 1},
            "memry_gib: unknown key, did you mean memory_gib? "
            "allowed: engine, memory_gib, triangulations",
        ),
        ({"zzz": 1}, "zzz: unknown key; allowed: engine, memory_gib, triangulations"),
        (
            {"triangulations": ["a", 5]},
            "triangulations.1: 5 is not allowed: must be a valid string",
        ),
    ],
)
def test_validation_errors_are_described_in_one_line(values, line):
    with pytest.raises(ValidationError) as caught:
        Census.model_validate(values)
    assert describe_validation_error(caught.value, model=Census) == line


class Outer(FrozenConfig):
    shares: Shares = Shares()


@pytest.mark.parametrize(
    ("model", "values", "line"),
    [
        (Shares, {"first": 0.7}, "first + second = 1.2 is not allowed"),
        (Shares, {"first": -1}, "first: -1 is not allowed: give a positive number"),
        (Outer, {"shares": {"first": 0.7}}, "shares: first + second = 1.2 is not allowed"),
    ],
)
def test_rules_of_a_whole_model_are_told_without_its_input(model, values, line):
    with pytest.raises(ValidationError) as caught:
        model.model_validate(values)
    assert describe_validation_error(caught.value) == line


def test_several_validation_errors_still_make_one_line():
    with pytest.raises(ValidationError) as caught:
        Census.model_validate({"memory_gib": "a\nb" * 50, "engine": 1})
    line = describe_validation_error(caught.value)
    assert "\n" not in line
    assert line.count("; ") == 1
    assert "..." in line


class Parts(FrozenConfig):
    count: int = 1
    limit: float | None = None
    sizes: tuple[int, ...] = ()
    shares: dict[str, float] = Field(default_factory=dict)
    exact: bool | Literal["auto"] = "auto"
    others: tuple[dict[str, Any], ...] = ()
    shape: Shares = Shares()


@pytest.mark.parametrize(
    "settings",
    [
        {"count": True},
        {"limit": False},
        {"sizes": [3, True]},
        {"shares": {"a": True}},
        {"shape": {"first": True}},
    ],
)
def test_true_and_false_are_no_numbers(settings):
    with pytest.raises(ValidationError) as raised:
        Parts(**settings)
    said = describe_validation_error(raised.value)
    assert said.startswith(next(iter(settings))) and said.endswith("must not be true or false")


def test_true_and_false_are_allowed_where_they_are_meant():
    parts = Parts(exact=True, others=({"a": True},))
    assert parts.exact is True and parts.others == ({"a": True},)
