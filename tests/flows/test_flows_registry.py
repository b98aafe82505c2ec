"""The registry names everything by strings and imports nothing heavy."""

import re

import pytest
from commands import run_python

from flows import FLOWS
from flows.recipes import SMOKE_SUFFIX
from tasks.records import CITATIONS, FrozenConfig
from tasks.tcurves import (
    CENSUS_TABLES,
    FLOW,
    SWEEP_FLOW,
    SWEEP_SUMMARY_TABLES,
    SWEEP_TABLES,
    VERIFICATION_TABLES,
    plan_census,
)

ENTRIES = pytest.mark.parametrize("entry", FLOWS.values(), ids=list(FLOWS))


@ENTRIES
def test_every_reference_of_an_entry_resolves(entry):
    assert issubclass(entry.load("config"), FrozenConfig)
    assert callable(entry.load("plan"))
    assert all(callable(getattr(entry.load("report"), name)) for name in ("terminal_report",))
    assert entry.load("recipes")


@ENTRIES
def test_the_entrypoint_is_the_flow_of_that_name(entry):
    assert entry.load("entrypoint").name == entry.name


@ENTRIES
def test_citations_of_an_entry_exist(entry):
    assert set(entry.citations) <= set(CITATIONS)


def test_the_census_entry_has_the_tables_and_the_name_of_its_field():
    entry = FLOWS["tcurve-census"]
    assert entry.tables == (*CENSUS_TABLES, *VERIFICATION_TABLES)
    assert entry.name == FLOW


def test_the_sweep_entry_has_the_tables_and_the_name_of_its_field():
    entry = FLOWS["tcurve-sweep"]
    assert entry.tables == (*SWEEP_TABLES, *SWEEP_SUMMARY_TABLES)
    assert entry.name == SWEEP_FLOW


@ENTRIES
def test_the_check_of_an_entry_resolves(entry):
    assert not entry.check or callable(entry.load("check"))


@ENTRIES
def test_recipes_are_named_by_their_key_and_never_end_like_a_twin(entry):
    for name, recipe in entry.load("recipes").items():
        assert recipe.name == name
        assert not name.endswith(SMOKE_SUFFIX)
        assert recipe.summary


@ENTRIES
def test_every_recipe_and_its_smoke_twin_can_be_planned(entry):
    for recipe in entry.load("recipes").values():
        for config in (recipe.config(), recipe.smoke()):
            assert entry.load("plan")(config).identity.flow == entry.name


@pytest.mark.parametrize("name", ["tcurve-census", "tcurve-sweep"])
def test_smoke_twins_stay_below_degree_6(name):
    entry = FLOWS[name]
    for recipe in entry.load("recipes").values():
        items = entry.load("plan")(recipe.smoke()).items
        degrees = [item.triangulation.degree for item in items]
        assert max(degrees) <= 5, recipe.name


def test_the_demo_takes_the_seven_published_triangulations_in_order():
    plan = plan_census(FLOWS["tcurve-census"].load("recipes")["demo"].config())
    assert [item.key for item in plan.items] == [
        "6_honeycomb",
        "6_bat",
        "6_moth",
        "7_honeycomb",
        "7_spl",
        "7_fra",
        "7_cen",
    ]


@pytest.mark.parametrize("arguments", [["list"], ["--help"], ["show", "tcurve-census"]])
def test_quick_commands_import_neither_prefect_nor_ray_nor_torch(arguments):
    program = (
        "import sys, contextlib\n"
        "from flows.cli import main\n"
        "with contextlib.suppress(SystemExit):\n"
        "    main(sys.argv[1:])\n"
        "heavy = {'prefect', 'ray', 'torch', 'numba', 'matplotlib', 'duckdb'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy & {'prefect', 'ray', 'torch'} else 0)\n"
    )
    result = run_python("-c", program, *arguments)
    assert "tcurve-census" in result.stdout or "usage" in result.stdout


@pytest.mark.parametrize("name", FLOWS)
def test_no_description_of_a_field_looks_like_html(name):
    # The form of the Prefect UI would drop it.
    fields = FLOWS[name].load("config").model_fields
    described = {key: field.description for key, field in fields.items()}
    assert all(described.values())
    assert not [key for key, text in described.items() if re.search(r"<\w+>", text)]
