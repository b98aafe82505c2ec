"""What is prepared before the clock of an item starts is all that its call needs."""

import json
import os
import sys

import pytest
from commands import run_python

PROGRAM = """
import json, sys, tempfile
from pathlib import Path
from numba.core.registry import CPUDispatcher
from flows import find_study
from flows.configs import build_config
from flows.study import load
from study_helpers import stored_run

def compiled():
    modules = [m for name, m in sys.modules.items() if name.startswith(("gpu", "tasks"))]
    objects = {id(each): each for module in modules for each in vars(module).values()}
    kernels = [each for each in objects.values() if isinstance(each, CPUDispatcher)]
    return {(k.__module__, k.__name__, str(s)) for k in kernels for s in k.overloads}

study = find_study(sys.argv[1])
for stage in study.stages:
    load(stage.call)
    load(stage.prepare)()
before = compiled()
assert before
with tempfile.TemporaryDirectory() as folder:
    stored_run(study, build_config(study, assignments=json.loads(sys.argv[2])), Path(folder))
assert compiled() == before, compiled() - before
"""
CURVES = {"triangulations": ["4_honeycomb"]}


@pytest.mark.parametrize(
    ("study", "settings"),
    [
        ("tcurve-census", CURVES),
        ("tcurve-census", CURVES | {"targets": "set", "min_ovals": 3}),
        ("tcurve-census", CURVES | {"engine": "union-find"}),
        ("tcurve-sweep", CURVES),
        ("tcurve-sweep", CURVES | {"min_ovals": 3}),
        ("tcurve-sweep", CURVES | {"signs": "ball", "radius": 2}),
        ("tcurve-sweep", CURVES | {"signs": "random", "samples": 1000, "min_ovals": 3}),
        ("tcurve-hunt", {"degree": 5, "stop_at": 8, "round_size": 8}),
        ("tcurve-hunt", {"degree": 6, "stop_at": 1, "targeted_share": 1.0, "min_ovals": 9}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value)),
)
def test_calls_compile_nothing_after_the_preparation(study, settings):
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    run_python("-c", PROGRAM, study, json.dumps(settings), env=paths)
