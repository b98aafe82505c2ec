"""Interrupts arrive at once, and calls in threads behave as calls."""

import contextvars
import os
import signal
import threading
import time

import pytest

from workers.signals import run_interruptibly, sigterm_as_interrupt


def test_the_value_of_the_call_is_returned():
    assert run_interruptibly(abs, -3) == 3


def test_an_exception_of_the_call_is_raised():
    with pytest.raises(ValueError, match="invalid literal"):
        run_interruptibly(int, "x")


def test_the_call_sees_the_context_of_its_caller():
    variable = contextvars.ContextVar("variable", default=0)
    variable.set(7)
    assert run_interruptibly(lambda _: variable.get(), None) == 7


def test_an_interrupt_does_not_wait_for_the_call():
    release = threading.Event()
    ended = []

    def interrupt_then_wait(_):
        os.kill(os.getpid(), signal.SIGINT)
        release.wait()
        ended.append(True)

    with pytest.raises(KeyboardInterrupt):
        run_interruptibly(interrupt_then_wait, None)
    assert not ended
    release.set()


def test_sigterm_is_an_interrupt_inside_and_as_before_outside():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), sigterm_as_interrupt():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_threads_leave_signals_alone():
    def enter(_):
        with sigterm_as_interrupt():
            return signal.getsignal(signal.SIGTERM)

    assert run_interruptibly(enter, None) is signal.getsignal(signal.SIGTERM)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_python_dropped_is_raised_again():
    class Dropping:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)  # the interrupt is raised here, where Python ignores exceptions

    with sigterm_as_interrupt():
        Dropping()
        release = threading.Event()
        with pytest.raises(KeyboardInterrupt):
            run_interruptibly(release.wait, 600)
        release.set()
