"""The chain `neural-sos`: a data set, a network trained on it, a benchmark of that network.

Each link is a run of its own, shared with runs of that study alone: a second chain with another
training continues from the same data set.
"""

from __future__ import annotations

from flows import sos_benchmark, sos_dataset, sos_train
from flows.study import Chain, Link, recipes_of

__all__ = ["CHAIN"]

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
    recipes=recipes_of("neural-sos"),
)
