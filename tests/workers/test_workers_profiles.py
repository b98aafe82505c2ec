import pydantic
import pytest
from commands import run_python

from tasks.records.errors import InputError
from workers import PROFILES, ResourceProfile, profile


def test_default_profile_is_one_cpu_and_no_reservation_of_memory():
    assert ResourceProfile() == ResourceProfile(cpus=1, gpus=0, memory_gib=0)
    assert profile("cpu") == ResourceProfile()
    assert profile("gpu").gpus == 1


def test_memory_is_reserved_in_bytes():
    assert ResourceProfile(memory_gib=1.5).memory_bytes == 3 * 2**29


@pytest.mark.parametrize("bad", [{"cpus": 0}, {"cpus": -1}, {"gpus": -1}, {"memory_gib": -0.5}])
def test_out_of_range_resources_are_refused(bad):
    with pytest.raises(pydantic.ValidationError):
        ResourceProfile(**bad)


def test_unknown_profile_name_lists_the_known_ones():
    with pytest.raises(InputError, match="'tpu'; known: cpu, gpu"):
        profile("tpu")


def test_named_profiles_cannot_be_replaced():
    with pytest.raises(TypeError):
        PROFILES["cpu"] = ResourceProfile(cpus=2)  # type: ignore[index]


def test_description_names_only_what_is_reserved():
    assert ResourceProfile().describe() == "1 CPU"
    assert ResourceProfile(cpus=2, gpus=0.5, memory_gib=4).describe() == "2 CPU, 0.5 GPU, 4 GiB"


def test_importing_workers_imports_neither_ray_nor_prefect():
    code = "import sys, workers; sys.exit('ray' in sys.modules or 'prefect' in sys.modules)"
    run_python("-c", code)
