"""The rigged solver as one more adapter."""

import pytest
import rigged_solver

from tasks.records.isolation import close_processes
from tasks.sos.conic.solvers import _solve


@pytest.fixture
def rigged_adapter(monkeypatch):
    monkeypatch.setitem(_solve._ADAPTERS, "rigged", rigged_solver)


@pytest.fixture
def fresh_probes(monkeypatch):
    """Nothing is known about any solver."""
    monkeypatch.setattr(_solve, "_probes", {})


@pytest.fixture(scope="module")
def own_processes():
    """Processes started here, so that they find the rigged solver; none is left behind."""
    close_processes()
    yield
    close_processes()
