"""The list of studies names everything by strings, all of which lead somewhere."""

import inspect
import re
import sys
from collections.abc import Iterator

import pyarrow as pa
import pytest
from commands import run_python

import flows
from flows import all_studies, engine, find_study
from flows.configs import recipe_config
from flows.engine import flow_of
from flows.planning import plan_run
from flows.study import SMOKE_SUFFIX, Chain, Recipe, Study, load
from tasks.records import CITATIONS, SCIENCE_COLUMNS, FrozenConfig, InputError

LISTED = all_studies()
EVERY = pytest.mark.parametrize("study", LISTED.values(), ids=list(LISTED))
STUDIES = [study for study in LISTED.values() if isinstance(study, Study)]
EVERY_STUDY = pytest.mark.parametrize("study", STUDIES, ids=[study.name for study in STUDIES])
RECIPES = [(study, recipe) for study in LISTED.values() for recipe in study.recipes]
EVERY_RECIPE = pytest.mark.parametrize(
    ("study", "recipe"), RECIPES, ids=[f"{study.name}-{recipe.name}" for study, recipe in RECIPES]
)
OF_STAGES = ("call", "items", "waves", "known", "prepare", "resources", "share", "tally")


def test_every_name_of_the_list_is_a_study_or_a_chain():
    assert [load(reference).name for reference in flows.STUDIES] == list(LISTED)
    for name, study in LISTED.items():
        assert study.name == name
        assert find_study(name) is study
        assert study.summary
    deployments = [study.deployment for study in LISTED.values() if study.deployment]
    assert len(set(deployments)) == len(deployments) > 0


def functions(study: Study) -> Iterator[str]:
    """References to everything that a study calls."""
    yield from (study.inputs, study.keys, study.report, study.figures, study.check)
    for stage in study.stages:
        yield from (getattr(stage, name) for name in OF_STAGES)
    yield from (each.call for each in (*study.commands, *study.verifiers, *study.tools))


@EVERY
def test_every_config_is_a_frozen_config_whose_defaults_are_valid(study):
    config_class = load(study.config)
    assert issubclass(config_class, FrozenConfig)
    assert recipe_config(study, study.recipes[0], smoke=False)


@EVERY_STUDY
def test_every_reference_of_a_study_resolves(study):
    for reference in filter(None, functions(study)):
        assert callable(load(reference)), reference


@EVERY_STUDY
def test_every_table_has_a_schema_and_every_stage_only_tables_of_its_study(study):
    schemas = plan_run(study, recipe_config(study, study.recipes[0], smoke=True)).schemas
    assert list(schemas) == list(study.tables)
    for schema in schemas.values():
        assert isinstance(schema, pa.Schema)
        assert schema.names[: len(SCIENCE_COLUMNS)] == [field.name for field in SCIENCE_COLUMNS]
    for stage in study.stages:
        assert stage.tables
        assert {*stage.tables, *stage.needs} <= set(schemas)
        assert bool(stage.items) != bool(stage.waves)
    names = [stage.name for stage in study.stages]
    assert len(set(names)) == len(names)


@EVERY_STUDY
def test_failed_items_have_the_columns_that_messages_name(study):
    config = recipe_config(study, study.recipes[0], smoke=True)
    schemas = plan_run(study, config).schemas
    for stage in study.stages:
        if stage.known:
            assert "reason" in schemas[stage.tables[0]].names


@EVERY_STUDY
def test_settings_that_are_left_out_of_the_identity_are_fields_of_the_config(study):
    fields = load(study.config).model_fields
    assert {*study.unnamed, *study.selecting} <= set(fields)


@EVERY_STUDY
def test_commands_and_verifiers_take_their_arguments_as_keywords(study):
    for each in (*study.commands, *study.verifiers):
        parameters = list(inspect.signature(load(each.call)).parameters.values())
        keywords = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
        assert set(keywords) == {argument.name for argument in each.arguments}
        assert len(parameters) == 1 + len(keywords)


@EVERY_STUDY
def test_tools_take_their_arguments_as_keywords_and_are_the_same_in_all_studies(study):
    for tool in study.tools:
        parameters = inspect.signature(load(tool.call)).parameters.values()
        assert {p.kind for p in parameters} == {inspect.Parameter.KEYWORD_ONLY}
        assert {p.name for p in parameters} == set(tool.keywords())
        assert tool.positional
        same = [each for s in STUDIES for each in s.tools if each.name == tool.name]
        assert set(same) == {tool}
        taken = {each.name for s in STUDIES for each in (*s.commands, *s.shortcuts)}
        assert tool.name not in taken


@EVERY
def test_the_prefect_flow_of_a_study_has_its_name_and_begins_with_its_default(study):
    flow = flow_of(study)
    assert flow.name == study.name
    assert getattr(engine, study.name.replace("-", "_")).name == study.name
    assert flow.parameters.required is None or "config" not in flow.parameters.required
    default = recipe_config(study, study.recipes[0], smoke=False)
    assert inspect.signature(flow.fn).parameters["config"].default == default


def test_what_is_no_study_is_no_flow():
    with pytest.raises(AttributeError, match="has no attribute 'tcurve_sensus'"):
        engine.tcurve_sensus  # noqa: B018


@EVERY_STUDY
def test_citations_of_a_study_exist(study):
    assert study.citations
    assert set(study.citations) <= set(CITATIONS)


@EVERY
def test_a_chain_hands_on_to_fields_that_there_are(study):
    links = study.links if isinstance(study, Chain) else ()
    for number, link in enumerate(links):
        assert link.field in load(study.config).model_fields
        assert LISTED[link.study.name] == link.study
        assert set(link.given) <= set(load(link.study.config).model_fields)
        earlier = {each.field for each in links[:number]}
        templates = re.findall(r"\{(\w+)\}", str(list(link.given.values())))
        assert set(templates) <= earlier


OWN = """
from dataclasses import replace
from flows import STUDIES
from flows.study import load
STUDY = replace(load(STUDIES[0]), name="own")
TAKEN = replace(STUDY, name="imp")
RECIPE = STUDY.recipes[0]
"""


@pytest.fixture
def own_studies(tmp_path, monkeypatch):
    """The list with what LATTICEWORK_STUDIES names, of a module `planted_studies`."""
    (tmp_path / "planted_studies.py").write_text(OWN)
    (tmp_path / "planted_broken.py").write_text("def f(:\n")
    (tmp_path / "planted_ending.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(str(tmp_path))

    def listed(value: str):
        monkeypatch.setenv("LATTICEWORK_STUDIES", value)
        return all_studies.__wrapped__()

    yield listed
    sys.modules.pop("planted_studies", None)


@pytest.mark.parametrize(
    "value", [" planted_studies:STUDY ,", "planted_studies:STUDY, planted_studies:STUDY"]
)
def test_studies_of_one_s_own_follow_the_others(own_studies, value):
    assert list(own_studies(value)) == [*LISTED, "own"]
    assert list(own_studies(" ")) == list(LISTED)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "nothing_here:STUDY",
            "nothing_here:STUDY: ModuleNotFoundError: No module named 'nothing_here'",
        ),
        ("nothing_here", "nothing_here: ModuleNotFoundError: No module named"),
        ("planted_studies", "module 'planted_studies' has no attribute ''"),
        ("planted_studies:NOPE", "has no attribute 'NOPE'"),
        ("planted_studies:RECIPE", "planted_studies:RECIPE: it is neither a Study nor a Chain"),
        ("planted_studies:TAKEN", "another study is called 'imp'"),
        ("planted_broken:STUDY", "planted_broken:STUDY: SyntaxError: invalid syntax"),
        (":STUDY", ":STUDY: ValueError: Empty module name"),
        (".x:STUDY", ".x:STUDY: TypeError: "),
        ("planted_ending:STUDY", "planted_ending:STUDY: SystemExit: 3"),
    ],
)
def test_what_is_no_study_of_one_s_own_is_refused_in_one_line(own_studies, value, message):
    with pytest.raises(InputError, match=r"^LATTICEWORK_STUDIES: ") as caught:
        own_studies(value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# --- recipes ------------------------------------------------------------------------------------


def test_recipes_have_a_summary_and_names_that_mean_one_thing():
    for study in LISTED.values():
        names = [recipe.name for recipe in study.recipes]
        assert len(set(names)) == len(names)
        for recipe in study.recipes:
            assert not recipe.name.endswith(SMOKE_SUFFIX)
            assert recipe.summary
    assert not {recipe.name for _, recipe in RECIPES} & set(LISTED)


def planned_links(study: Study | Chain, recipe: Recipe, *, smoke: bool):
    """The runs of a recipe as far as they can be planned before any is made."""
    config = recipe_config(study, recipe, smoke=smoke)
    if isinstance(study, Study):
        return [plan_run(study, config)]
    free = [link for link in study.links if not link.given]
    assert free
    return [plan_run(link.study, getattr(config, link.field)) for link in free]


@EVERY_RECIPE
@pytest.mark.parametrize("smoke", [False, True], ids=["recipe", "smoke"])
def test_every_recipe_and_its_smoke_twin_can_be_planned(study, recipe, smoke):
    try:
        links = planned_links(study, recipe, smoke=smoke)
    except InputError as error:  # of what does not come with the package
        assert not smoke
        known = r"files of [\w-]+ are missing|the model [\w-]+ needs the package"
        assert re.match(known, str(error)), error
        return
    for planned in links:
        assert planned.identity.flow == planned.study.name
        first = planned.study.stages[0]
        if first.items:
            keys = [item.key for item in planned.items[first.name]]
            assert keys == planned.keys[: len(keys)]
            assert len(set(planned.keys)) == len(planned.keys) >= len(keys) > 0


@pytest.mark.parametrize("name", ["tcurve-census", "tcurve-sweep"])
def test_smoke_twins_stay_below_degree_6(name):
    study = find_study(name)
    for recipe in study.recipes:
        items = plan_run(study, recipe_config(study, recipe, smoke=True)).items
        degrees = [item.argument.triangulation.degree for item in items[study.stages[0].name]]
        assert max(degrees) <= 5, recipe.name


def test_smoke_twins_of_hunts_are_of_a_smaller_degree_and_end_within_a_minute():
    study = find_study("tcurve-hunt")
    for recipe in study.recipes:
        config, twin = (recipe_config(study, recipe, smoke=smoke) for smoke in (False, True))
        assert twin.degree < config.degree
        assert twin.seconds <= 60


def test_the_demo_takes_the_seven_published_triangulations_in_order():
    study = find_study("tcurve-census")
    assert study.recipes[0].name == "demo"
    planned = plan_run(study, recipe_config(study, study.recipes[0], smoke=False))
    assert planned.keys == [
        "6_honeycomb",
        "6_bat",
        "6_moth",
        "7_honeycomb",
        "7_spl",
        "7_fra",
        "7_cen",
    ]


# --- what people see ----------------------------------------------------------------------------


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


@EVERY
def test_no_description_of_a_field_looks_like_html(study):
    # The form of the Prefect UI would drop it.
    fields = load(study.config).model_fields
    described = {key: field.description for key, field in fields.items()}
    assert all(described.values())
    assert not [key for key, text in described.items() if re.search(r"<\w+>", text)]
