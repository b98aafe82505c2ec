"""Linear algebra in one thread."""

import re

import pytest
from commands import run_python
from threadpoolctl import threadpool_info, threadpool_limits

from tasks.sos import certify as module
from tasks.sos._threads import one_blas_thread
from tasks.sos.polynomials.parsing import parse_polynomial


def blas_threads():
    """Of NumPy's and SciPy's BLAS; a solver may bring one that takes no more than one thread."""
    return {
        each["num_threads"]
        for each in threadpool_info()
        if each["user_api"] == "blas" and OURS.search(each["filepath"])
    }


OURS = re.compile(r"(numpy|scipy)(\.libs)?/")


@pytest.fixture
def two_threads():
    with threadpool_limits(2, user_api="blas"):
        if blas_threads() != {2}:
            pytest.fail(f"BLAS takes {blas_threads()} threads, not the 2 that were asked for")
        yield


def test_blas_has_one_thread_inside_and_as_many_as_before_outside(two_threads):
    with one_blas_thread():
        assert blas_threads() == {1}
        with one_blas_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {1}
    assert blas_threads() == {2}


def test_overlapping_blocks_share_the_limit_and_the_last_one_lifts_it(two_threads):
    first, second = one_blas_thread(), one_blas_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert blas_threads() == {1}
    second.__exit__(None, None, None)
    assert blas_threads() == {2}


def test_the_last_block_leaves_other_libraries_of_its_thread_alone():
    """A thread that enters first sees OpenMP with another number of threads than this one."""
    code = """
import threading, torch
from tasks.sos._threads import one_blas_thread
torch.get_num_threads()  # A thread is set up at the first question: not after the other one.
torch.set_num_threads(1)
entered, left = threading.Event(), threading.Event()
def first():
    torch.set_num_threads(2)
    with one_blas_thread():
        entered.set()
        left.wait()
thread = threading.Thread(target=first)
thread.start()
entered.wait()
with one_blas_thread():
    left.set()
    thread.join()
assert torch.get_num_threads() == 1, torch.get_num_threads()
"""
    run_python("-c", code)


def test_the_threads_come_back_after_an_error(two_threads):
    with pytest.raises(ValueError, match="no matter"), one_blas_thread():
        raise ValueError("no matter")
    assert blas_threads() == {2}


def test_a_polynomial_is_certified_in_one_thread(two_threads, monkeypatch):
    seen = []

    def spied(*arguments, **options):
        seen.append(blas_threads())
        return solve(*arguments, **options)

    solve = module.solve_numerically
    monkeypatch.setattr(module, "solve_numerically", spied)
    found = module.certify(parse_polynomial("x^4 + x^2*y^2 + y^4 + x*y + 1"))
    assert found.verdict.value == "proved" and seen == [{1}]
    assert blas_threads() == {2}
