"""Session-wide test set-up.

1. The environment, before anything imports Ray or Prefect; settings of property tests.
2. `local_ray`: one Ray for the whole session.
3. Prefect: one server for the whole session.
"""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from prefect.states import State

    from workers import Executor

# --- 1. environment ---------------------------------------------------------------------------

_PREFECT_HOME = tempfile.TemporaryDirectory(prefix="lw-prefect-")

os.environ.update(
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    DO_NOT_TRACK="1",
    PREFECT_CLI_PROMPT="false",
    PREFECT_HOME=_PREFECT_HOME.name,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="180",
    RAY_USAGE_STATS_ENABLED="0",
    RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",
    RAY_DEDUP_LOGS="0",
)
# The machine's own clusters, stores and tokens must not leak into tests.
for _name in (
    "RAY_ADDRESS",
    "RAY_AUTH_MODE",
    "RAY_AUTH_TOKEN",
    "RAY_AUTH_TOKEN_PATH",
    "LATTICEWORK_STORE",
    "PREFECT_API_URL",
):
    os.environ.pop(_name, None)

# A shell starts what runs in the background with Ctrl-C ignored, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No limits of time: on a busy machine they fail tests that are right. The same examples every time:
# a failure can be repeated. Others are tried by `pytest --hypothesis-profile=explore`.
settings.register_profile(
    "latticework", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", settings.get_profile("latticework"), derandomize=False)
settings.load_profile("latticework")


# --- 2. Ray -----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def local_ray() -> Iterator["Executor"]:
    """Executor on the session's Ray with 2 CPUs; an inner `connect("local")` shares it."""
    from workers import connect

    with connect("local", num_cpus=2) as executor:
        yield executor


# --- 3. Prefect -------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def prefect_api() -> Iterator[str]:
    """Address of the session's Prefect API, which is the configured one while it lives."""
    from flows.servers import prefect_server, prepare_environment

    prepare_environment()
    with prefect_server() as url:
        yield url


@pytest.fixture
def artifacts_of(prefect_api: str) -> "Callable[[State], list[dict[str, Any]]]":
    """The artifacts of a flow run, by its state.

    The server answers with 200 rows at most, so it has to be asked for the run's own.
    """
    from prefect.client.orchestration import get_client

    def ask(state: "State") -> list[dict[str, Any]]:
        wanted = {"flow_run_id": {"any_": [str(state.state_details.flow_run_id)]}}
        with get_client(sync_client=True) as client:
            answer = client._client.post("/artifacts/filter", json={"artifacts": wanted})
        return answer.json()

    return ask
