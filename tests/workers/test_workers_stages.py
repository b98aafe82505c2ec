"""What a call of a stage reserves."""

import pytest

from tasks.records import Resources
from tasks.records.stage import Stage
from workers import PROFILES, SerialExecutor, stages


class WithGpus(SerialExecutor):
    address = "head:6379"

    def check(self, profile) -> None:
        """Offer everything."""


def profile(device, executor, count=1, monkeypatch=None):
    monkeypatch.setattr(stages, "load", lambda _: lambda config: Resources(device, count))
    stage, nothing = Stage("s", "", (), resources="a:b"), [None] * 8
    return stages.StageRun(stage, *nothing)._profile(executor)


def test_a_call_reserves_a_gpu_if_its_device_needs_one(monkeypatch):
    monkeypatch.setattr(stages, "cuda_problem", lambda: "no CUDA device is visible")
    monkeypatch.setattr("workers.executors.gpu_models", list)
    cases = {
        ("cpu", WithGpus): "cpu",
        ("cuda", SerialExecutor): "gpu",
        ("auto", SerialExecutor): "cpu",
        ("auto", WithGpus): "gpu",
    }
    for (device, executor), expected in cases.items():
        found = profile(device, executor(), monkeypatch=monkeypatch)
        assert found is PROFILES[expected], (device, executor)
    monkeypatch.setattr(stages, "cuda_problem", lambda: "")
    assert profile("auto", SerialExecutor(), monkeypatch=monkeypatch) is PROFILES["cpu"]


@pytest.mark.parametrize(("device", "name"), [("cpu", "cpus"), ("cuda", "gpus")])
def test_a_call_of_several_processes_reserves_as_many(device, name, monkeypatch):
    found = profile(device, WithGpus(), 4, monkeypatch)
    assert getattr(found, name) == 4
