"""Starting, joining and ending Ray, each in a process of its own."""

import os
import re
import signal
import subprocess
import sys

import pytest
from commands import wait_until

from tasks.records.errors import InfrastructureError, InputError
from workers import SerialExecutor, connect, ray_environment, ray_session
from workers.ray_session import AddressKind, parse_address, remove_abandoned_folders

from programs import CLUSTER, IMPORT_PATH, QUICK_TO_NOTICE  # isort: skip

with_and_without_warm_workers = pytest.mark.parametrize(
    "warm", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["", "warm"]
)

# --- addresses ---


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("local", AddressKind.LOCAL),
        ("auto", AddressKind.AUTO),
        ("head.example.org:6379", AddressKind.HEAD),
        ("[::1]:6379", AddressKind.HEAD),
        ("ray://10.0.0.1:10001", AddressKind.CLIENT),
    ],
)
def test_addresses_have_five_forms(address, kind):
    assert parse_address(address) is kind


@pytest.mark.parametrize("address", ["", "head", "head:", ":6379", "head:0", "ray://", "head:x"])
def test_other_addresses_are_refused_before_ray_is_imported(address):
    with pytest.raises(InputError, match="use local, serial, auto, HOST:PORT"):
        connect(address).__enter__()


def test_serial_needs_no_ray():
    with connect("serial") as executor:
        assert isinstance(executor, SerialExecutor)


def test_cluster_that_does_not_answer_is_one_line():
    with pytest.raises(InfrastructureError, match=r"no Ray cluster answers at 127.0.0.1:1 ") as e:
        ray_session._require_answer("127.0.0.1:1")
    assert e.value.retryable


def test_small_shared_memory_moves_the_object_store_to_the_folder():
    folder = "/folder"
    assert ray_environment.object_store_folder(2**80, folder) == folder


def test_interpreter_folders_are_no_part_of_the_import_path(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), os.__file__, str(tmp_path)])
    monkeypatch.chdir(tmp_path)
    assert ray_environment.import_path() == str(tmp_path)


def test_environment_is_restored(monkeypatch):
    monkeypatch.setenv("RAY_DEDUP_LOGS", "1")
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    with ray_environment.environment({"RAY_AUTH_MODE": "token"}):
        assert os.environ["RAY_AUTH_MODE"] == "token"
        assert os.environ["RAY_DEDUP_LOGS"] == "1"
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert "RAY_AUTH_MODE" not in os.environ
    assert "RAY_USAGE_STATS_ENABLED" not in os.environ


def test_interrupt_while_ray_starts_is_delivered_afterwards():
    steps = []
    with pytest.raises(KeyboardInterrupt), ray_session._interrupt_deferred():
        signal.raise_signal(signal.SIGINT)
        steps.append("finished")
    assert steps == ["finished"]


def test_second_interrupt_is_delivered_at_once():
    with pytest.raises(KeyboardInterrupt), ray_session._interrupt_deferred():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("not reached")


# --- embedded Ray ---


@pytest.mark.ray
def test_embedded_ray_is_silent_private_and_leaves_nothing(run, folder):
    program = run("""
with connect("local", num_cpus=1) as executor:
    print([o.value for o in map_batches(square, [WorkItem("a", 3)], executor=executor)])
    say(os.environ.get("RAY_AUTH_TOKEN"), os.environ.get("PYTHONPATH"))
    members = os.popen(f"ps -s {os.getsid(0)} -o pid=").read().split()
    say(*members)
    say(*(oct(path.stat().st_mode & 0o777) for path in Path(os.environ["TMPDIR"]).glob("lw-*")))
    table = [line.split() for name in ("tcp", "tcp6")
             for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    listening = {fields[9]: fields[1] for fields in table if fields[3] == "0A"}
    inodes = set()
    for pid in members:
        for entry in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                inodes.add(os.readlink(entry).removeprefix("socket:[").removesuffix("]"))
            except FileNotFoundError:
                pass
    say(*sorted(address for inode, address in listening.items() if inode in inodes))
# a second Ray in the same process gets its own token
with connect("local", num_cpus=1) as executor:
    say([o.value for o in map_batches(square, [WorkItem("a", 4)], executor=executor)])
""")
    out, err = program.finish()
    assert err == ""
    value, environment, members, mode, listening, again = out.splitlines()
    assert (value, again) == ("[9]", "[16]")
    assert environment == f"None {IMPORT_PATH}"
    assert len(members.split()) > 4
    assert mode == "0o700"
    loopback = re.compile(r"(0{16}FFFF0000)?0100007F:")  # 127.0.0.1 as /proc/net writes it
    assert listening and all(loopback.match(address) for address in listening.split())
    program.wait_until_gone()
    assert not list(folder.glob("lw-*"))


SLEEPERS = """
say("start")
with connect("local", num_cpus=2) as executor:
    items = [WorkItem(name, name) for name in map(os.path.abspath, ("m0", "m1", "m2", "m3"))]
    list(map_batches(touch_and_sleep, items, executor=executor, warm=WARM))
"""


@pytest.mark.ray
@pytest.mark.parametrize(
    ("moment", "warm"),
    [
        pytest.param("start", False, marks=pytest.mark.slow),
        ("work", False),
        pytest.param("work", True, marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_leaves_no_process_and_no_folder(run, folder, moment, warm):
    program = run(f"WARM = {warm}" + SLEEPERS)
    if moment == "start":
        wait_until(lambda: any("gcs" in name for name in program.members().values()))
    else:
        wait_until((folder / "m1").exists)
    os.killpg(program.process.pid, signal.SIGINT)  # what a terminal does
    _, err = program.finish(code=-signal.SIGINT)  # the calls would sleep for 600 s
    assert err.strip().endswith("KeyboardInterrupt")
    program.wait_until_gone()
    assert not list(folder.glob("lw-*"))


@pytest.mark.ray
@with_and_without_warm_workers
def test_killed_driver_takes_its_calls_and_its_cluster_along(run, folder, warm):
    program = run(f"WARM = {warm}" + SLEEPERS)
    wait_until((folder / "m1").exists)
    os.kill(program.process.pid, signal.SIGKILL)
    program.process.wait()
    # Ray's two idle agents try to report for a minute before they end.
    program.wait_until_gone(but=("ray::DashboardA", "ray::RuntimeEnv"))


@pytest.mark.ray
@with_and_without_warm_workers
@pytest.mark.parametrize("known", [False, True])
def test_lost_embedded_node_ends_the_map_with_one_retryable_line(run, warm, known):
    """Also where the cluster tells of the loss before a call is refused."""
    program = run(
        f"WARM, KNOWN = {warm}, {known}"
        """
from workers import fan_out
fan_out.WAIT_SECONDS, fan_out.PATIENCE_SECONDS = 0.5, 2.0
with connect("local", num_cpus=1) as executor:
    items = [WorkItem(str(n), 0.2) for n in range(10_000)]  # none but the loss ends it
    try:
        for outcome in map_batches(sleep_then_return, items, executor=executor, warm=WARM):
            if outcome.key == "1":
                listing = os.popen(f"ps --ppid {os.getpid()} -o pid=,comm=").read()
                os.kill(next(int(l.split()[0]) for l in listing.splitlines() if "raylet" in l), 9)
                if KNOWN:
                    import ray
                    wait_until(lambda: not any(node["Alive"] for node in ray.nodes()))
                    time.sleep(1.0)
            if not outcome.ok:
                say("lost", outcome.key)
    except Exception as error:
        say(type(error).__name__, error.retryable, error)
with connect("local", num_cpus=1) as executor:
    say([o.value for o in map_batches(square, [WorkItem("a", 3)], executor=executor)])
""",
        **QUICK_TO_NOTICE,
    )
    out, err = program.finish()
    assert "Traceback" not in err
    *lost, error, again = out.splitlines()
    assert len(lost) <= 2
    # A call is refused by the node itself, or the cluster has no node for it: whichever is first.
    reasons = ("this machine's Ray node died", "a call needs 1 CPU but no node")
    assert error.startswith(tuple(f"InfrastructureError True {reason}" for reason in reasons))
    assert again == "[9]"


@pytest.mark.ray
@with_and_without_warm_workers
def test_worker_out_of_memory_is_tried_once_more_and_named(run, warm):
    program = run(
        f"WARM = {warm}"
        """
with connect("local", num_cpus=1) as executor:
    items = [WorkItem("a", 600)]
    (outcome,) = map_batches(sleep_then_return, items, executor=executor, retries=5, warm=WARM)
    say(outcome.attempts, outcome.error.kind, outcome.error.message)
""",
        RAY_memory_usage_threshold="0.001",
        RAY_memory_monitor_refresh_ms="100",
    )
    out, _ = program.finish()
    assert out.startswith("2 infrastructure the node ran out of memory")


# --- clusters ---


@pytest.mark.ray
@with_and_without_warm_workers
def test_lost_node_of_a_cluster_repeats_its_items_elsewhere_and_cluster_survives_us(run, warm):
    program = run(
        CLUSTER
        + f"WARM = {warm}"
        + """
second = cluster.add_node(num_gpus=1, **small)
with connect(cluster.address) as executor:
    say(executor.describe().partition("(")[2])
    begun = [Path(f"begun{n}").resolve() for n in range(5)]
    end = Path("end").resolve()
    # The first ends when another has begun: by then both nodes have been given work.
    items = [WorkItem(str(n), (path, end if n else begun[1])) for n, path in enumerate(begun)]
    outcomes = []
    for outcome in map_batches(
        begin_then_wait_for, items, executor=executor, max_in_flight=4, warm=WARM
    ):
        outcomes.append(outcome)
        if len(outcomes) == 1:
            # Now both nodes are in the middle of a long item.
            wait_until(lambda: sum(path.exists() for path in begun[1:]) == 2)
            workers = [int(path.read_text()) for path in begun[1:] if path.exists()]
            cluster.remove_node(second, allow_graceful=False)
            # A worker outlives its node by a moment, in which it must not finish.
            wait_until(lambda: any(map(has_ended, workers)))
            end.touch()
    say(sorted(o.key for o in outcomes if o.ok), max(o.attempts for o in outcomes) > 1)
say(ray.is_initialized())
os.environ["RAY_ADDRESS"] = address = cluster.address
with connect("auto") as executor:
    say([o.value for o in map_batches(square, [WorkItem("a", 3)], executor=executor)])
cluster.shutdown()
try:
    connect(address).__enter__()
except Exception as error:
    say(type(error).__name__, str(error).startswith("no Ray cluster answers at"))
""",
        RAY_AUTH_MODE="disabled",
        **QUICK_TO_NOTICE,
    )
    out, err = program.finish()
    assert out.splitlines() == [
        "2 nodes, 2 CPU, 1 GPU)",
        "['0', '1', '2', '3', '4'] True",
        "False",
        "[9]",
        "InfrastructureError True",
    ], err


@pytest.mark.ray
def test_losing_the_only_fitting_node_ends_the_map_instead_of_waiting_for_ever(run):
    program = run(
        CLUSTER
        + """
from workers import fan_out
fan_out.WAIT_SECONDS, fan_out.PATIENCE_SECONDS = 0.5, 2.0
second = cluster.add_node(num_gpus=1, **small)
with connect(cluster.address) as executor:
    items = [WorkItem(str(n), 1.0) for n in range(6)]
    try:
        gpu = ResourceProfile(gpus=1)
        for outcome in map_batches(sleep_then_return, items, executor=executor, profile=gpu):
            say(outcome.ok, "(gpu 0)" in outcome.device)
            if outcome.key == "0":
                cluster.remove_node(second, allow_graceful=False)
    except Exception as error:
        say(type(error).__name__, error.retryable, "items in flight are unfinished" in str(error))
cluster.shutdown()
""",
        RAY_AUTH_MODE="disabled",
        **QUICK_TO_NOTICE,
    )
    out, err = program.finish()
    first, *_, last = out.splitlines()
    assert (first, last) == ("True True", "InfrastructureError True True"), err


def test_folders_of_killed_drivers_are_removed_by_the_next_start(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for name in (f"lw-{gone.pid}-abc", f"lw-{os.getpid()}-abc", "lw-prefect-x", "other"):
        (tmp_path / name).mkdir()
    remove_abandoned_folders(tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted([f"lw-{os.getpid()}-abc", "lw-prefect-x", "other"])


@pytest.mark.ray
def test_code_of_one_s_own_runs_on_nodes_that_do_not_have_its_files(run):
    program = run(
        CLUSTER
        + """
from tasks.records.own_code import find_code
cluster.add_node(**small)
net = "def build():\\n    from lwown_part import size\\n    return size\\n"
Path("lwown_net.py").write_text(net)
Path("lwown_part.py").write_text("size = 7\\n")
code = find_code("lwown_net:build")
Path("lwown_net.py").unlink(), Path("lwown_part.py").unlink()
first, second = Path("first").resolve(), Path("second").resolve()
with connect(cluster.address) as executor:
    items = [WorkItem("a", (code, first, second)), WorkItem("b", (code, second, first))]
    found = [o.value for o in map_batches(call_own, items, executor=executor)]
say([value for value, _ in found], len({node for _, node in found}))
cluster.shutdown()
""",
        RAY_AUTH_MODE="disabled",
    )
    out, err = program.finish()
    assert out == "[7, 7] 2\n", err


def test_a_folder_that_hides_the_project_from_workers_is_refused(tmp_path):
    ray_environment.check_folder(tmp_path)
    (tmp_path / "tasks").mkdir()
    with pytest.raises(InputError, match=r"hides tasks of latticework .* address serial"):
        ray_environment.check_folder(tmp_path)
