"""Programs beside a command: their port, their end, their last words."""

import signal
import socket
import sys

import pytest
from commands import wait_until

from tasks.records import InfrastructureError
from workers.processes import end, held_port, last_error, start


def test_a_held_port_is_for_the_server_alone():
    with held_port(0) as port:
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(("127.0.0.1", port))
        socket.create_server(("127.0.0.1", port)).close()


def test_a_port_that_is_taken_is_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(InfrastructureError, match=f"port {port} .* cannot be used"),
            held_port(port),
        ):
            pass


STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True)"


def test_programs_end_politely_or_firmly(tmp_path):
    polite = start([sys.executable, "-c", "import time; time.sleep(600)"])
    with (tmp_path / "out").open("wb") as out:
        stubborn = start(
            [sys.executable, "-c", f"{STUBBORN}; import time; time.sleep(600)"], stdout=out
        )
    wait_until(lambda: (tmp_path / "out").read_bytes(), stubborn)
    end([polite, stubborn], seconds=2.0)
    assert polite.returncode == -signal.SIGTERM
    assert stubborn.returncode == -signal.SIGKILL


def test_the_last_line_that_names_an_error_is_told():
    log = b"Traceback\nValueError: bad\n  File x\n"
    assert last_error(log) == "ValueError: bad"
    assert last_error(b"") == "no message"
