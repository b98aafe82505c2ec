"""Functions that tests run on workers: importable there, so that they travel by name."""

import logging
import os
import signal
import sys
import time
from pathlib import Path

from tasks.records.errors import BudgetExceeded, InfrastructureError
from tasks.records.own_code import OwnCode


def square(x: int) -> int:
    return x * x


def sleep_then_return(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def fail_on_three(x: int) -> int:
    if x == 3:
        raise ValueError("three is not allowed")
    return x


def exceed_budget(x: int) -> int:
    raise BudgetExceeded(f"item {x} needs 9 GiB, 4 GiB are allowed")


def leave_interpreter(x: int) -> int:
    sys.exit(x)


def die_once(marker: str) -> int:
    """SIGKILL the worker process on the first call, answer on the second."""
    path = Path(marker)
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def die_always(counter: str) -> None:
    with Path(counter).open("a") as file:
        file.write("x")
    os.kill(os.getpid(), signal.SIGKILL)


def disconnect_always(counter: str) -> None:
    with Path(counter).open("a") as file:
        file.write("x")
    raise ConnectionResetError("peer went away")


def disconnect_once(marker: str) -> str:
    path = Path(marker)
    if not path.exists():
        path.touch()
        raise ConnectionResetError("peer went away")
    return "answer"


def refuse_for_good(_: object) -> None:
    raise InfrastructureError("no solver licence", retryable=False)


def log_lines(count: int) -> int:
    logger = logging.getLogger("tasks.tests")
    logger.debug("not carried")
    for index in range(count):
        logger.info("line %d of %d", index, count)
    return count


def hold_memory(size_bytes: int) -> int:
    return len(bytes(bytearray(size_bytes)))


def unpicklable(_: object) -> object:
    return lambda: None


def process_id(_: object) -> int:
    return os.getpid()


_calls_here = 0


def count_calls(_: object) -> tuple[int, int]:
    """Process, and how many calls it has counted since it began."""
    global _calls_here
    _calls_here += 1
    return os.getpid(), _calls_here


def count_calls_but_fail_on_three(x: int) -> tuple[int, int]:
    return count_calls(fail_on_three(x))


def process_id_or_die(x: int) -> int:
    """SIGKILL the worker process on negative numbers."""
    if x < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def meet(place: tuple[str, int]) -> tuple[int, str]:
    """Wait in a folder until so many processes are there; say where this one is."""
    folder, count = place
    Path(folder).mkdir(exist_ok=True)
    Path(folder, str(os.getpid())).touch()
    while len(list(Path(folder).iterdir())) < count:
        time.sleep(0.02)
    return os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES", "")


def begin_then_wait_for(paths: tuple[str, str]) -> None:
    """Tell by one file that the call has begun, and where, end when the other is there."""
    own, other = map(Path, paths)
    new = own.with_suffix(".new")
    new.write_text(str(os.getpid()))
    new.rename(own)
    while not other.exists():
        time.sleep(0.02)


def write_process_id_and_sleep(path: str) -> None:
    temporary = Path(path).with_suffix(".new")
    temporary.write_text(str(os.getpid()))
    temporary.rename(path)
    time.sleep(600)


def touch_and_sleep(marker: str) -> None:
    Path(marker).touch()
    time.sleep(600)


def call_own(payload: tuple[OwnCode, Path, Path]) -> tuple[object, str]:
    """What a function of the user's returns, and the node; ends when `other` has begun, too."""
    import ray

    code, begun, other = payload
    begun.touch()
    while not other.exists():
        time.sleep(0.01)
    code.install()
    return code.load()(), ray.get_runtime_context().get_node_id()
