"""Flows in an acyclic graph: the hull of its paths from the source to the sink.

    {x >= 0 on the edges, of every node but two as much enters as leaves, r leaves the source}

The graph is a text with one ``tail>head`` for each entry of a point, nodes being whole numbers:
``"0>1 0>2 1>3 2>3 1>2"`` has five edges.  The source is the only node that no edge enters, the sink
the only one that none leaves; then every edge is on a path.  Without a graph all entries are edges
from the source to the sink, and the region is a simplex.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gpu.constrained.graphs import edge_order, largest_difference, node_ranks, shortest_path
from gpu.constrained.oracles import SETS, Domain
from gpu.constrained.projections import project
from tasks.nn.regions.region import Region
from tasks.records import InputError

LARGEST = 1e9
"""Beyond, float64 cannot tell what enters a node of a projection."""


@dataclass(frozen=True)
class FlowPolytope(Region):
    """Flows of a given value from the source to the sink.

    Attributes
    ----------
    graph : str
        Its edges, ``tail>head``; empty for parallel ones.
    """

    graph: str = ""

    name: ClassVar[str] = "flow"
    has_gauge: ClassVar[bool] = False
    contains_zero: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.graph:
            parsed(self.graph)

    def check_shape(self, shape: Sequence[int]) -> None:
        """Refuse points with other than one entry for each edge."""
        super().check_shape(shape)
        if self.graph and shape[-1] != len(parsed(self.graph).tails):
            raise InputError(
                f"flow has {len(parsed(self.graph).tails)} edges; the shape is {tuple(shape)}"
            )

    def network(self, num_edges: int) -> Network:
        """The graph, with so many edges if they are parallel."""
        return parsed(self.graph) if self.graph else _parallel(num_edges)

    def _diameter(self, shape: Sequence[int]) -> float:
        if not self.graph:
            return math.sqrt(2) if shape[-1] > 1 else 0.0
        net = self.network(shape[-1])
        return math.sqrt(largest_difference(net.tails, net.heads, net.ranks, net.sink))

    def _vertex(self, direction: Tensor) -> Tensor:
        return self._each(direction, lambda g: _path(self.network(len(g)), g))

    def _gauge(self, point: Tensor) -> Tensor:
        net = self.network(point.shape[-1])
        ends = [torch.from_numpy(each).to(point.device) for each in (net.tails, net.heads)]
        left = torch.zeros(*point.shape[:-1], net.num_nodes, dtype=point.dtype, device=point.device)
        left = left.index_add(-1, ends[1], point).index_add(-1, ends[0], -point)
        left[..., net.source] += 1
        left[..., net.sink] -= 1
        violation = torch.maximum(-point.amin(-1), left.abs().amax(-1))
        return 1 + violation.clamp(min=0)

    def _project(self, point: Tensor) -> Tensor:
        if not point.abs().amax() <= LARGEST:
            raise InputError(
                f"flow projects points up to {LARGEST:g} times its radius, "
                f"not {float(point.abs().amax()):.3g}"
            )
        return self._each(point, lambda y: _nearest(self.network(len(y)), y))


class Network(NamedTuple):
    """An acyclic graph with one source and one sink.

    Attributes
    ----------
    tails, heads, order : (e,) int64
        Ends of the edges, and their topological order.
    ranks : (nodes,) int64
        Places in the topological order.
    num_nodes, source, sink : int
    """

    tails: np.ndarray
    heads: np.ndarray
    order: np.ndarray
    ranks: np.ndarray
    num_nodes: int
    source: int
    sink: int

    def domain(self, radius: float) -> Domain:
        """The set as the kernels read it."""
        return Domain(
            SETS["flow"], radius, len(self.tails), 1, self.tails, self.heads, self.order,
            self.num_nodes, self.source, self.sink,
        )  # fmt: skip


@lru_cache(maxsize=64)
def parsed(graph: str) -> Network:
    """The graph of a text.

    Raises
    ------
    InputError
        If it is not a list of edges, has a cycle, or more than one source or sink.
    """
    words = graph.split()
    if not words or not all(re.fullmatch(r"\d{1,9}>\d{1,9}", word) for word in words):
        raise InputError(f'a graph is a list of edges such as "0>1 1>2", not {graph[:60]!r}')
    ends = np.array([word.split(">") for word in words], np.int64)
    names, numbers = np.unique(ends, return_inverse=True)
    tails, heads = numbers.reshape(ends.shape).T.copy()
    size = len(names)
    ranks, order = node_ranks(tails, heads, size), edge_order(tails, heads, size)
    if ranks is None or order is None:
        raise InputError("the graph of a flow polytope has no cycle; this one has")
    sources = names[np.bincount(heads, minlength=size) == 0]
    sinks = names[np.bincount(tails, minlength=size) == 0]
    for found, what in ((sources, "source"), (sinks, "sink")):
        if len(found) > 1:
            raise InputError(
                f"the graph of a flow polytope has one {what}; this one has "
                f"{', '.join(map(str, found[:5]))}"
            )
    source, sink = (int(np.searchsorted(names, each[0])) for each in (sources, sinks))
    return Network(tails, heads, order.astype(np.int64), ranks, size, source, sink)


def _parallel(num_edges: int) -> Network:
    """Edges from node 0 to node 1."""
    tails = np.zeros(num_edges, np.int64)
    return Network(tails, tails + 1, np.arange(num_edges), np.arange(2), 2, 0, 1)


def _path(net: Network, given: np.ndarray) -> np.ndarray:
    costs = np.ascontiguousarray(given, np.float64)
    path = np.empty(len(costs))
    shortest_path(costs, net.tails, net.heads, net.order, net.num_nodes, net.source, net.sink, path)
    return path.astype(given.dtype)


def _nearest(net: Network, point: np.ndarray) -> np.ndarray:
    found = np.empty(len(point))
    project(net.domain(1.0), np.ascontiguousarray(point), np.ones(len(point)), found)
    return found
