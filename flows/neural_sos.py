"""The chain `neural-sos`: a data set, a network trained on it, a benchmark of that network.

Each link is a run of its own, shared with runs of that study alone: a second chain with another
training goes on from the same data set.
"""

from __future__ import annotations

from flows import sos_benchmark, sos_dataset, sos_train
from flows.study import Chain, Link, Recipe

__all__ = ["CHAIN"]

STRUCTURES = ("dense", "sparse", "low_rank", "block_diagonal")
METHODS = ("cascade", "even-sqrt", "newton")
POINTS = ("n4-d3-m20", "n6-d4-m20")
SMALL = "n3-d3-m6"

CHAIN = Chain(
    name="neural-sos",
    summary="A data set, a network trained on it, and a benchmark of the bases it predicts.",
    config="tasks.sos.chain:NeuralSosConfig",
    links=(
        Link(sos_dataset.STUDY, "dataset"),
        Link(sos_train.STUDY, "train", {"shards": ["{dataset}"]}),
        Link(sos_benchmark.STUDY, "benchmark", {"scorer": "{train}/model.safetensors"}),
    ),
    deployment="neural-sos",
    recipes=(
        Recipe(
            "learn-bases",
            "400,000 polynomials of four structures, 600 steps, a benchmark of 400 others",
            {
                "dataset": {"families": STRUCTURES, "grid": POINTS, "rows": 50_000},
                "train": {
                    "families": STRUCTURES,
                    "max_variables": 6,
                    "max_half_degree": 4,
                    "max_size": 20,
                    "steps": 600,
                    "every": 100,
                },
                "benchmark": {
                    "cells": tuple(f"{each}-{point}" for point in POINTS for each in STRUCTURES),
                    "methods": METHODS,
                    "instances": 50,
                    "seed": 1,
                },
            },
            {
                "dataset": {
                    "families": ("dense", "sparse"),
                    "grid": (SMALL,),
                    "rows": 2500,
                    "shard_rows": 2500,
                },
                "train": {
                    **sos_train.SMOKE,
                    "families": ("dense", "sparse"),
                    "validation": 6,
                    "calibration": 20,
                    "test": 6,
                },
                "benchmark": {
                    "cells": (f"dense-{SMALL}",),
                    "methods": METHODS,
                    "instances": 2,
                    "seed": 1,
                },
            },
        ),
    ),
)
