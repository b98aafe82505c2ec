"""From words to configs: what is accepted, and what each refusal says."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import find_study
from flows.configs import (
    build_config,
    check_address,
    find_recipe,
    find_shown,
    parse_assignments,
)
from flows.study import Chain, Recipe, load
from tasks.records import FrozenConfig, InputError
from tasks.tcurves import CensusConfig
from tasks.tcurves.sweep_plan import SweepConfig

STUDY = find_study("tcurve-census")


class BothConfig(FrozenConfig):
    """Two configs in one, as a chain has them."""

    census: CensusConfig = CensusConfig()
    sweep: SweepConfig = SweepConfig(samples=1000)


CHAIN = Chain(
    "both",
    "a census and a sweep",
    f"{__name__}:BothConfig",
    (),
    (Recipe("small", "cubics", {"sweep": {"triangulations": ("3_honeycomb",), "seed": 5}}, {}),),
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=1", 1),
        ("a=1.5", 1.5),
        ("a=true", True),
        ('a=["x", "y"]', ["x", "y"]),
        ('a="7"', "7"),
        ("a=frontier", "frontier"),
        ("a=", ""),
        ("a=b=c", "b=c"),
        ("a=[1,", "[1,"),
        (" a =1", 1),
    ],
)
def test_a_value_is_json_where_it_parses_else_a_string(text, value):
    assert parse_assignments([text]) == {"a": value}


def test_the_last_assignment_of_a_key_counts():
    assert parse_assignments(["a=1", "a=2"]) == {"a": 2}


@pytest.mark.parametrize("text", ["", "a", "=1", " =1"])
def test_an_assignment_without_key_is_refused(text):
    with pytest.raises(InputError, match="expected key=value"):
        parse_assignments([text])


def test_a_key_that_stands_twice_in_a_value_is_refused():
    with pytest.raises(InputError, match=r"^--set: the key '5' stands twice in one value$"):
        parse_assignments(['distances={"5": "0.4", "5": "0.5"}'])


@given(st.text(st.characters(blacklist_characters="="), min_size=1), st.text())
def test_any_text_is_an_assignment_or_an_input_error(key, value):
    try:
        parsed = parse_assignments([f"{key}={value}"])
    except InputError:
        assert not key.strip()
    else:
        assert list(parsed) == [key.strip()]


def test_deeply_nested_json_is_a_string_and_no_crash():
    assert parse_assignments(["a=" + "[" * 100_000])["a"].startswith("[[")


def test_without_anything_the_config_is_the_default():
    assert build_config(STUDY) == load(STUDY.config)() == CensusConfig()


def test_assignments_change_the_recipe():
    config = build_config(STUDY, recipe="degree6", assignments={"witnesses": False})
    assert config.triangulations == ("6_honeycomb", "6_bat", "6_moth")
    assert config.witnesses is False


def test_smoke_means_the_twin_in_both_spellings():
    by_flag = build_config(STUDY, recipe="degree6", smoke=True)
    assert by_flag == build_config(STUDY, recipe="degree6-smoke")
    assert by_flag != build_config(STUDY, recipe="degree6")


def test_smoke_without_a_recipe_means_the_first_recipe_s_twin():
    assert build_config(STUDY, smoke=True) == build_config(STUDY, recipe="demo-smoke")


def test_one_word_stands_for_a_list_of_one():
    config = build_config(STUDY, assignments={"triangulations": "6_bat"})
    assert config.triangulations == ("6_bat",)


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        ({"memory_gb": 1}, "unknown key 'memory_gb'; did you mean memory_gib?"),
        ({"memory_gib": 0}, "memory_gib: 0 is not allowed: must be greater than 0"),
        ({"memory_gib": float("nan")}, "memory_gib: nan is not allowed"),
        ({"verify_share": 1.5}, "verify_share: 1.5 is not allowed"),
        ({"engine": "frontiers"}, "engine: 'frontiers' is not allowed"),
        ({"triangulations": []}, "triangulations: "),
        ({"triangulations": 7}, "triangulations: 7 is not allowed"),
        ({"witnesses": "perhaps"}, "witnesses: 'perhaps' is not allowed"),
    ],
)
def test_a_bad_value_is_refused_in_one_line(assignments, message):
    with pytest.raises(InputError) as caught:
        build_config(STUDY, assignments=assignments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_names_are_answered_with_the_closest_and_all():
    with pytest.raises(InputError, match="unknown flow 'tcurve-sensus'; did you mean tcurve-cens"):
        find_study("tcurve-sensus")
    with pytest.raises(InputError, match=r"did you mean degree6.*degree8-honeycomb"):
        find_recipe(STUDY, "degre6")
    with pytest.raises(InputError, match=r"unknown flow or recipe 'dem'; did you mean demo"):
        find_shown("dem")


def test_shown_names_are_flows_or_recipes():
    assert find_shown("tcurve-census") == (STUDY, None, False)
    study, recipe, smoke = find_shown("degree7-smoke")
    assert (study, recipe.name, smoke) == (STUDY, "degree7", True)


def test_a_recipe_is_found_with_its_twin():
    assert find_recipe(STUDY, "degree6") == (STUDY.recipes[1], False)
    assert find_recipe(STUDY, "degree6-smoke") == (STUDY.recipes[1], True)


def test_an_assignment_reaches_into_a_config_within_a_config():
    assignments = parse_assignments(["sweep.seed=7", "census.triangulations=6_bat"])
    config = build_config(CHAIN, assignments=assignments)
    sweep, census = SweepConfig(samples=1000, seed=7), CensusConfig(triangulations=("6_bat",))
    assert config == BothConfig(sweep=sweep, census=census)
    assert build_config(CHAIN) == BothConfig()


def test_what_a_recipe_says_of_a_part_is_kept_beside_an_assignment():
    config = build_config(CHAIN, recipe="small", assignments={"sweep.radius": 2})
    assert config.sweep == SweepConfig(triangulations=("3_honeycomb",), seed=5, radius=2)


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        ({"swep.seed": 1}, "unknown key 'swep'; did you mean sweep?"),
        ({"sweep.sed": 1}, "unknown key 'sed'; did you mean seed?"),
        ({"sweep.seed.more": 1}, "--set sweep.seed.more: seed has no fields of its own"),
        ({"sweep.seed": -1}, "seed: -1 is not allowed"),
        ({"sweep": 7}, "sweep: 7 is not allowed"),
        (
            {"sweep": 7, "sweep.seed": 1},
            "sweep: 7 is not allowed: give its fields, as in sweep.seed",
        ),
    ],
)
def test_a_bad_part_is_refused_in_one_line(assignments, message):
    with pytest.raises(InputError) as caught:
        build_config(CHAIN, assignments=assignments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ["local", "serial", "auto", "127.0.0.1:6379", "ray://a:1"])
def test_addresses_of_the_known_forms_are_accepted(address):
    check_address(address)


@pytest.mark.parametrize("address", ["", "here", "host:", "host:99999999"])
def test_other_addresses_are_refused(address):
    with pytest.raises(InputError, match="address"):
        check_address(address)


# --- recipes of one's own -----------------------------------------------------------------------

OWN = """
[mine]
summary = "three"
settings = { triangulations = ["6_bat"], witnesses = false }
[other]
like = "mine"
settings = { min_ovals = 3 }
"""


def test_a_file_holds_recipes_of_one_s_own(tmp_path):
    (tmp_path / "own.toml").write_text(OWN)
    path = str(tmp_path / "own.toml")
    assert build_config(STUDY, recipe=path).triangulations == ("6_bat",)
    other = build_config(STUDY, recipe=f"{path}#other", assignments={"min_ovals": 4})
    assert (other.min_ovals, other.witnesses) == (4, False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no recipe in it"),
        ("[a]\nsetting = 1", "a must be a table of like, settings"),
        ("a = 1", "a must be a table"),
        ("[a", "own.toml: "),
        (OWN, "unknown recipe 'othr'; did you mean other?"),
        ("[othr]\nsettings = 3", "othr.settings must be a table, not 3"),
        ("[othr]\nsmoke = []", "othr.smoke must be a table, not []"),
        ("[othr]\nsummary = 3", "othr.summary must be a text, not 3"),
        ("[othr]\nlike = ['x']", "othr.like must be a text, not ['x']"),
        ("[othr]\nlike = 'nothere'", "othr.like: unknown earlier recipe 'nothere'"),
        ("[othr]\nlike = 'othr'", "othr.like: unknown earlier recipe 'othr'"),
        (OWN + "[othr]\nsmoke_of = 'mien'", "'mien'; did you mean mine? known: mine, other"),
        ("[a-smoke]", "a-smoke: names that end in -smoke mean twins"),
        ("a = " + "[" * 5000, "own.toml: "),
        ("[othr.settings]\nnone = 1", "recipe othr: none: unknown key"),
        ("[othr.settings]\nwitnesses = 'x\ty'", "recipe othr: witnesses: 'x\\ty' is not allowed"),
    ],
)
def test_a_bad_file_of_recipes_is_refused_in_one_line(tmp_path, text, message):
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        build_config(STUDY, recipe=f"{tmp_path}/own.toml#othr")
    assert "\n" not in str(caught.value)


def test_a_bad_value_of_a_twin_is_refused_in_one_line(tmp_path):
    (tmp_path / "own.toml").write_text("[a.smoke]\nmemory_gib = 0")
    with pytest.raises(InputError, match=r"^recipe a-smoke: memory_gib: 0 is not allowed"):
        build_config(STUDY, recipe=f"{tmp_path}/own.toml", smoke=True)


def test_a_recipe_may_have_the_name_of_a_file(tmp_path):
    (tmp_path / "own.toml").write_text("['b.toml'.settings]\nmin_ovals = 4")
    assert build_config(STUDY, recipe=f"{tmp_path}/own.toml").min_ovals == 4


def test_a_missing_file_of_recipes_is_refused():
    with pytest.raises(InputError, match=r"recipes none.toml: .*No such file"):
        build_config(STUDY, recipe="none.toml")
