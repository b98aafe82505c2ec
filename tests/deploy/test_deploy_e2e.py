"""A real Prefect server and process worker on loopback execute what deploy/prefect.yaml names.

`latticework serve` starts the server, registers the deployments and starts the worker; the tests
speak to it as a user interface does, through the server's HTTP API.
"""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from commands import run_python, wait_until

from tasks.records import Store

pytestmark = pytest.mark.e2e

DEADLINE_SECONDS = 240.0
CONFIG = {"triangulations": ["2_honeycomb", "3_honeycomb"]}


@dataclass(frozen=True)
class Server:
    """A served Prefect, with the store into which its runs write."""

    url: str
    store: Path

    def call(self, method: str, path: str, body: object = None) -> dict | list:
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}{path}", data=data, method=method)
        request.add_header("content-type", "application/json")
        with urlopen(request, timeout=DEADLINE_SECONDS) as answer:
            return json.load(answer)

    def deployment(self) -> dict:
        return self.call("GET", "/deployments/name/tcurve-census/census")

    def trigger(self, parameters: dict, **more: object) -> dict:
        path = f"/deployments/{self.deployment()['id']}/create_flow_run"
        return self.call("POST", path, {"parameters": parameters, **more})

    def finished(self, flow_run_id: str) -> dict:
        """The flow run, once it has ended."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            run = self.call("GET", f"/flow_runs/{flow_run_id}")
            if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
                return run
            time.sleep(0.2)
        raise TimeoutError(f"flow run is still {run['state_type']}")


def environment(home: Path) -> dict[str, str]:
    """No configured server (the session may have one), and a Prefect home of its own.

    The home gets a copy of the session's database, if there is one: making its tables again takes
    ten seconds.
    """
    home.mkdir()
    migrated = Path(os.environ["PREFECT_HOME"]) / "latticework.db"
    if migrated.exists():
        target = home / "latticework.db"
        with closing(sqlite3.connect(migrated)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
    without = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    return without | {"PREFECT_HOME": str(home), "PREFECT_WORKER_QUERY_SECONDS": "1"}


def free_port() -> int:
    """A free port below those that Linux and Ray hand out by themselves until it is used."""
    return next(port for port in range(20_000 + os.getpid() % 5000, 32_000) if is_free(port))


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    """`latticework serve`, from a folder that is not the project's."""
    folder = tmp_path_factory.mktemp("served")
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "serve", "--port", str(port), "--out", "kept"],
            cwd=folder,
            env=environment(folder / "home") | {"LATTICEWORK_TRUSTED_MODULES": "my_nets"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            wait_until(lambda: "Ctrl-C ends" in (folder / "log").read_text() or process.poll())
            assert process.poll() is None, (folder / "log").read_text()
            yield Server(url, folder / "kept")
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=DEADLINE_SECONDS) == 130, (folder / "log").read_text()
    assert not is_listening(port)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_run_triggered_with_parameters_completes_and_its_results_are_stored(server):
    created = server.trigger({"config": CONFIG, "ray_address": "serial"})
    run = server.finished(created["id"])
    assert run["state_type"] == "COMPLETED", run["state"]
    path = run["state"]["message"].rpartition(" in ")[2]
    assert Path(path).is_relative_to(server.store)
    stored = Store.open(server.store).find_run(path)
    assert stored.read("summary")["triangulation"].to_pylist() == CONFIG["triangulations"]
    assert stored.read("execution")["flow_run_id"].unique().to_pylist() == [created["id"]]


def test_a_run_with_a_failing_item_ends_as_failed_with_one_line(server):
    config = {"triangulations": ["7_honeycomb"], "memory_gib": 1e-4}
    run = server.finished(server.trigger({"config": config, "ray_address": "serial"})["id"])
    assert run["state_type"] == "FAILED"
    assert "1 of 1 not ok: 7_honeycomb: over_budget" in run["state"]["message"]
    assert "\n" not in run["state"]["message"]


def test_of_many_triggers_at_once_none_is_lost(server):
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2099-01-01T00:00:00Z"}}
    with ThreadPoolExecutor(20) as people:
        runs = people.map(lambda _: server.trigger({"config": CONFIG}, state=state), range(60))
        assert len({run["id"] for run in runs}) == 60


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"triangulations": []}, "config.triangulations"),
        ({"memory_gib": 0}, "config.memory_gib"),
        ({"engine": "fast"}, "config.engine"),
        ({"verify_share": "all"}, "config.verify_share"),
        ({"memory_gb": 1}, "memory_gb"),
    ],
)
def test_the_server_refuses_what_the_config_s_schema_forbids(server, config, message):
    with pytest.raises(HTTPError) as caught:
        server.trigger({"config": config})
    assert caught.value.code == 409
    assert message in json.load(caught.value)["detail"]


def test_the_form_explains_every_field_of_the_config(server):
    from tasks.tcurves import CensusConfig

    schema = server.deployment()["parameter_openapi_schema"]
    fields = schema["definitions"]["CensusConfig"]["properties"]
    assert set(fields) == set(CensusConfig.model_fields)
    assert all(field["description"] for field in fields.values())
    assert fields["engine"]["enum"] == ["frontier", "union-find"]
    assert {"config", "store", "ray_address", "continued"} == set(schema["properties"])


def test_the_active_schedule_yields_scheduled_runs(server):
    deployment = server.deployment()
    assert [schedule["active"] for schedule in deployment["schedules"]] == [True]
    wanted = {
        "deployments": {"id": {"any_": [deployment["id"]]}},
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
        "sort": "EXPECTED_START_TIME_ASC",
    }

    def runs_of_the_schedule():
        return [
            run for run in server.call("POST", "/flow_runs/filter", wanted) if run["auto_scheduled"]
        ]

    wait_until(runs_of_the_schedule)


@pytest.mark.slow
def test_serving_again_changes_nothing(server):
    """A second registration of the same file keeps the deployment and its schedule."""
    before = server.deployment()
    file = Path(__file__).parents[2] / "deploy/prefect.yaml"
    arguments = ["--no-prompt", "deploy", "--all", "--prefect-file", str(file)]
    run_python("-m", "prefect", *arguments, env=os.environ | {"PREFECT_API_URL": server.url})
    after = server.deployment()
    assert after["id"] == before["id"]
    assert len(after["schedules"]) == len(before["schedules"])


def refused(server: Server, config: dict) -> str:
    """What the server answers to parameters that are not allowed."""
    deployment = server.call("GET", "/deployments/name/imp/imp")
    body = {"parameters": {"config": config, "ray_address": "serial"}}
    with pytest.raises(HTTPError) as caught:
        server.call("POST", f"/deployments/{deployment['id']}/create_flow_run", body)
    assert 400 <= caught.value.code < 500
    return caught.value.read().decode()


@pytest.mark.parametrize("model", ["os:system", "subprocess:run", "folder/nets.py:build"])
def test_deployments_do_not_run_any_code(server, model):
    """Only built-in networks, and those of modules that the worker trusts."""
    assert "config" in refused(server, {"dataset": "digits", "model": model})


def test_a_worker_looks_again_at_what_a_deployment_names(server):
    deployment = server.call("GET", "/deployments/name/imp/imp")
    config = {"dataset": "digits", "data": "os:getcwd", "model": "small-cnn"}
    body = {"parameters": {"config": config, "ray_address": "serial"}}
    path = f"/deployments/{deployment['id']}/create_flow_run"
    run = server.finished(server.call("POST", path, body)["id"])
    assert run["state_type"] == "FAILED"
    assert "data: os:getcwd is not allowed in a deployment" in run["state"]["message"]
