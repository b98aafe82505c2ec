"""deploy/prefect.yaml names what exists, and a damaged file is refused before anything starts."""

from pathlib import Path

import pytest
import yaml

from flows import all_studies
from flows.deployments import deployment_text
from flows.serving import find_deployment_file, read_deployment_file
from flows.study import load
from tasks.records import InputError

FILE = Path(__file__).parents[2] / "deploy/prefect.yaml"
CONTENT = yaml.safe_load(FILE.read_text())
DEPLOYMENTS = {deployment["name"]: deployment for deployment in CONTENT["deployments"]}


def test_the_file_is_found_beside_the_packages_and_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_deployment_file() == FILE
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy/prefect.yaml").write_text("{}")
    assert find_deployment_file() == tmp_path / "deploy/prefect.yaml"


def test_the_file_is_in_step_with_the_studies():
    """`make deployments` writes it."""
    assert FILE.read_text() == deployment_text()


def test_names_and_pools_are_read():
    file = read_deployment_file(FILE)
    assert len(file.deployments) == len(set(file.deployments)) == len(all_studies())
    assert file.pools == ("latticework",)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_entrypoint_is_a_module_path_of_a_listed_flow(name):
    # A path such as flows/x.py:flow would load the module under another name than the workers do.
    module, _, flow = DEPLOYMENTS[name]["entrypoint"].rpartition(".")
    assert module == "flows.engine"
    assert flow.replace("_", "-") in all_studies()


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_parameters_of_every_deployment_are_valid(name):
    deployment = DEPLOYMENTS[name]
    study = all_studies()[deployment["entrypoint"].rpartition(".")[2].replace("_", "-")]
    assert load(study.config).model_validate(deployment["parameters"]["config"])
    assert deployment["enforce_parameter_schema"] is True


def test_the_census_has_an_active_cron_schedule():
    schedules = DEPLOYMENTS["census"]["schedules"]
    assert any(schedule["active"] and len(schedule["cron"].split()) == 5 for schedule in schedules)


def test_the_prefect_version_is_the_tested_one():
    constraints = (FILE.parents[1] / "constraints.txt").read_text().splitlines()
    assert f"prefect=={CONTENT['prefect-version']}" in constraints


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"deployments",
        b"deployments: [a]",
        b"deployments: [{name: a}]",
        b"deployments: {",
        b"\xff\xfe\x00",
    ],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "prefect.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_deployment_file(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
