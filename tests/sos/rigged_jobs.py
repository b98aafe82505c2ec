"""Jobs that misbehave as the first variable of the polynomial asks; in the process of the jobs."""

from __future__ import annotations

import os
import signal
import sys
import time

from tasks.sos import _jobs

CHUNK = 32 << 20


NETWORK = "tasks.sos.prediction.predictor"


def do_job(job):
    if job.preparation is not None and NETWORK not in sys.modules:
        raise RuntimeError("the network is not loaded yet")
    names = job.polynomial.variables if isinstance(job, _jobs.CertifyJob) else ()
    behavior = BEHAVIORS.get(names[0]) if names else None
    return behavior() if behavior else job.run()


def hangs():
    time.sleep(600)


def crashes():
    os.kill(os.getpid(), signal.SIGSEGV)


def eats():
    eaten = []
    while True:
        eaten.append(b"x" * CHUNK)


def raises():
    raise RuntimeError("no luck")


BEHAVIORS = {function.__name__: function for function in (hangs, crashes, eats, raises)}
