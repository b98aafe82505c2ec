"""The choice of a Prefect server, without starting one."""

import os
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from flows import servers
from tasks.records import InfrastructureError


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """A copy of the environment that a test may change."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/api", "nonsense", "http://[/api"])
def test_a_server_that_does_not_answer_is_not_alive(url):
    assert not servers.is_alive(url, timeout=2)


def test_what_the_user_has_set_stays(monkeypatch):
    monkeypatch.setenv("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "7")
    servers.prepare_environment()
    assert os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] == "7"
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"


def test_an_unusable_prefect_home_is_replaced_and_named(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "file"))
    servers.prepare_environment()
    assert Path(os.environ["PREFECT_HOME"]).is_dir()
    assert str(tmp_path / "file") in caplog.text


def test_a_configured_server_that_is_busy_is_waited_for(monkeypatch):
    asked = []
    monkeypatch.setattr(servers, "configured_url", lambda: "http://127.0.0.1:9/api")
    monkeypatch.setattr(servers, "is_alive", lambda _, timeout: asked.append(timeout) or True)
    with servers.prefect_server():
        pass
    assert min(asked) >= 60


def test_a_configured_server_that_does_not_answer_is_one_line(monkeypatch):
    monkeypatch.setattr(servers, "configured_url", lambda: "http://127.0.0.1:9/api")
    with pytest.raises(InfrastructureError, match="does not answer"), servers.prefect_server():
        pass


@pytest.mark.flow
def test_a_configured_server_is_used(prefect_api):
    with servers.prefect_server() as url:
        assert url == prefect_api


def test_a_server_that_cannot_start_says_why(monkeypatch):
    def start(_, *, log, ui):
        program = "import sys; sys.exit('starting\\nthe database is locked')"
        return subprocess.Popen([sys.executable, "-c", program], stdout=log, stderr=log)

    monkeypatch.setattr(servers, "configured_url", lambda: "")
    monkeypatch.setattr(servers, "_start", start)
    with pytest.raises(InfrastructureError) as caught, servers.prefect_server():
        pass
    wanted = "a temporary Prefect server did not start: the database is locked; start one with"
    assert str(caught.value).startswith(wanted)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Starts of a server that needs tables, in a Prefect home whose tables have a revision."""
    monkeypatch.setattr(servers, "configured_url", lambda: "")
    monkeypatch.setattr(servers, "_beside", lambda suffix: tmp_path / f"latticework.{suffix}")
    monkeypatch.setattr(servers, "is_alive", lambda _: True)
    for name in [name for name in os.environ if "DATABASE_CONNECTION_URL" in name]:
        monkeypatch.delenv(name)
    return tmp_path


def make_tables(home, revision):
    with closing(sqlite3.connect(home / "latticework.db")) as database, database:
        database.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num)")
        database.execute("DELETE FROM alembic_version")
        database.execute("INSERT INTO alembic_version VALUES (?)", [revision])


def migrates(monkeypatch) -> bool:
    """Whether a server started now is left to migrate its database."""
    given = {}

    def start(command, *, env, **more):
        given.update(env)
        return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])

    monkeypatch.setattr(servers, "start", start)
    with servers.prefect_server():
        pass
    return "PREFECT_SERVER_DATABASE_MIGRATE_ON_START" not in given


def test_tables_that_a_server_of_this_version_works_with_are_not_migrated(home, monkeypatch):
    make_tables(home, "a")
    assert [migrates(monkeypatch) for _ in range(3)] == [True, False, False]


def test_another_database_or_version_is_migrated_once(home, monkeypatch):
    make_tables(home, "b")
    assert migrates(monkeypatch)
    make_tables(home, "a")
    assert [migrates(monkeypatch) for _ in range(2)] == [True, False]
    monkeypatch.setattr("prefect.__version__", "1000.0")
    assert [migrates(monkeypatch) for _ in range(2)] == [True, False]
    (home / "latticework.db").unlink()
    assert all(migrates(monkeypatch) for _ in range(2))
    make_tables(home, "a")
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", "postgresql+asyncpg://here/db")
    assert all(migrates(monkeypatch) for _ in range(2))


def test_who_turns_migration_off_is_not_taken_to_have_migrated(home, monkeypatch):
    from prefect.settings import PREFECT_API_DATABASE_MIGRATE_ON_START, temporary_settings

    make_tables(home, "a")
    with temporary_settings({PREFECT_API_DATABASE_MIGRATE_ON_START: False}):
        migrates(monkeypatch)
    assert migrates(monkeypatch)


def test_a_port_that_others_listen_on_is_refused_in_one_line(monkeypatch):
    monkeypatch.setattr(servers, "configured_url", lambda: "")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InfrastructureError, match=f"port {port} of this machine cannot be"):
            servers.prefect_server(port=port).__enter__()
