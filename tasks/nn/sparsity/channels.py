"""Groups of channels that can only be pruned together.

The model is exported as a graph of operations (`tasks.nn.sparsity.graphs`), and every dimension of
every tensor gets labels of its positions (`labels`, `walk`, `operations`, `layers`).  Positions
that meet in an operation go together: outputs of a layer and inputs of the next, operands of a sum,
heads of queries, keys and values, a channel and its pixels after flattening, the channels of a
depthwise convolution.  Inputs, outputs, normalized dimensions, padded channels, and all that meets
an operation which is not followed are fixed.

A *unit* is what goes at once: mostly one channel; a head of attention; of a grouped convolution one
channel in every group, so that groups stay equally wide.  A group is the units that occur equally
often in the same tensors: those of one layer, and of all that are tied to it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from tasks.nn.sparsity.graphs import Example, Graph, example_batch, exported
from tasks.nn.sparsity.labels import Source
from tasks.nn.sparsity.operations import walked
from tasks.nn.sparsity.walk import COMPANION, CONSUMER, PRODUCER, Walk
from tasks.records import InputError


@dataclass(frozen=True, eq=False)
class Slices:
    """Where the units of a group lie along one dimension of a parameter or buffer.

    Attributes
    ----------
    name : str
        Of the parameter or buffer.
    dim : int
    units : int64 Tensor
        Unit of each position, -1 for those of others.
    role : str
        ``producer``, ``consumer`` or ``companion`` (bias, scale, statistics).
    is_masked : bool
        Whether masks cover it.
    """

    name: str
    dim: int
    units: Tensor
    role: str
    is_masked: bool

    def stay(self, kept: Tensor) -> Tensor:
        """Positions that stay where some units are kept."""
        units = self.units.to(kept.device)
        return (units < 0) | kept[units.clamp(min=0)]


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that are pruned together.

    Attributes
    ----------
    size : int
        Number of units: channels, or heads, or tuples of a channel in each group of a convolution.
    producers, normalizations, consumers : tuple of str
        Names of modules; of other parameters their own.  `normalizations` are all layers with
        entries per channel, such as PReLU.
    slices : tuple of Slices
        Which entries of which tensors go with a unit.
    example : Tensor
        Two examples of an input.
    part : int
        Counts groups of the same first producer.
    """

    size: int
    producers: tuple[str, ...]
    normalizations: tuple[str, ...]
    consumers: tuple[str, ...]
    slices: tuple[Slices, ...] = field(repr=False, compare=False)
    example: Tensor = field(repr=False, compare=False)
    part: int = 0

    @property
    def name(self) -> str:
        """Name of the first producer, with a number where it has several groups."""
        return f"{self.producers[0]}:{self.part}" if self.part else self.producers[0]


def channel_groups(model: nn.Module, shape: Example) -> tuple[ChannelGroup, ...]:
    """Groups of a model, in the order of their first producers.

    Parameters
    ----------
    shape : tuple of int, or Tensor
        Shape of one example without the batch, or a batch of examples (tokens, for instance).

    Raises
    ------
    InputError
        If operations depend on values, a weight is parametrized, or nothing can be pruned.
    """
    example = example_batch(model, shape)
    graph = exported(model, example)
    walk = walked(graph)
    groups = _named_apart(_groups(walk, _ranks(graph), example))
    if not groups:
        raise InputError(_refusal(model, walk))
    return groups


def units_of(walk: Walk) -> dict[int, tuple[tuple[Source, int], ...]]:
    """How often each class that can go occurs, by dimension of parameters and buffers."""
    found: dict[int, list[tuple[Source, int]]] = defaultdict(list)
    produced = set()
    for source, ids in walk.ids.items():
        for label, count in Counter(walk.labels.roots(ids).tolist()).items():
            found[label].append((source, count))
            if PRODUCER in walk.roles.get(source, ()):
                produced.add(label)
    return {label: tuple(found[label]) for label in found if label and label in produced}


def owner(name: str) -> str:
    """Module of a parameter; the name itself for one of the model."""
    return name.rpartition(".")[0] or name


def _groups(walk: Walk, ranks: dict[str, int], example: Tensor) -> list[ChannelGroup]:
    alike = defaultdict(list)
    for label, places in units_of(walk).items():
        alike[places].append(label)
    made = [
        _group(walk, ranks, example, [source for source, _ in places], labels)
        for places, labels in alike.items()
        if len(labels) > 1
    ]
    return sorted(made, key=lambda group: ranks[group.producers[0]])


def _group(
    walk: Walk, ranks: dict[str, int], example: Tensor, sources: list[Source], labels: list[int]
) -> ChannelGroup:
    names = {role: _owners(walk, ranks, sources, role) for role in (PRODUCER, COMPANION, CONSUMER)}
    beside = tuple(name for name in names[COMPANION] if name not in names[PRODUCER])
    order = {name: place for place, name in enumerate((*names[PRODUCER], *beside))}
    known = list(walk.ids)

    def place(source: Source) -> tuple[int, int]:
        mine = order.get(owner(source[0]), len(order))
        return mine if _role(walk, source) != CONSUMER else len(order), known.index(source)

    ordered = sorted(sources, key=place)
    first = next(source for source in ordered if _role(walk, source) == PRODUCER)
    numbers = _numbers(walk.labels.roots(walk.ids[first]).tolist(), set(labels))
    slices = tuple(
        Slices(*s, _units(walk, s, numbers), _role(walk, s), s in walk.masked) for s in ordered
    )
    return ChannelGroup(
        len(labels), names[PRODUCER], beside, names[CONSUMER], slices=slices, example=example
    )


def _role(walk: Walk, source: Source) -> str:
    found = walk.roles.get(source, {COMPANION})
    return next(role for role in (PRODUCER, CONSUMER, COMPANION) if role in found)


def _owners(walk: Walk, ranks: dict[str, int], sources: list[Source], role: str) -> tuple[str, ...]:
    found = {owner(source[0]) for source in sources if role in walk.roles.get(source, ())}
    return tuple(sorted(found, key=lambda name: (ranks[name], name)))


def _numbers(roots: list[int], labels: set[int]) -> dict[int, int]:
    """Units in the order in which their labels occur."""
    return {label: n for n, label in enumerate(r for r in dict.fromkeys(roots) if r in labels)}


def _units(walk: Walk, source: Source, numbers: dict[int, int]) -> Tensor:
    roots = walk.labels.roots(walk.ids[source]).tolist()
    return torch.tensor([numbers.get(root, -1) for root in roots])


def _named_apart(groups: Iterable[ChannelGroup]) -> tuple[ChannelGroup, ...]:
    seen: Counter[str] = Counter()
    made = []
    for group in groups:
        made.append(replace(group, part=seen[group.producers[0]]))
        seen[group.producers[0]] += 1
    return tuple(made)


def _ranks(graph: Graph) -> dict[str, int]:
    """Order of modules: as a tree, with the children of each in the order of their first use."""
    tree: dict[str, Any] = {}
    for node in graph.module.graph.nodes:
        for tensor in node.all_input_nodes if node.op == "call_function" else ():
            if tensor.op == "get_attr" and str(tensor.target) in graph.names:
                branch = tree
                for name in owner(graph.names[str(tensor.target)]).split("."):
                    branch = branch.setdefault(name, {})
    return {name: rank for rank, name in enumerate(_paths(tree))}


def _paths(tree: dict[str, Any], above: str = "") -> Iterator[str]:
    for name, branch in tree.items():
        yield above + name
        yield from _paths(branch, f"{above}{name}.")


def _refusal(model: nn.Module, walk: Walk) -> str:
    makers = [source for source in walk.ids if PRODUCER in walk.roles.get(source, ())]
    reasons = [
        f"{owner(s[0])} meets {walk.labels.reasons[s]}" for s in makers if s in walk.labels.reasons
    ]
    named = ", ".join(dict.fromkeys(owner(source[0]) for source in makers)) or "no layer"
    why = next(iter(reasons), "all that they meet has its channels fixed")
    return (
        f"{type(model).__name__} has no filters that can be pruned: the outputs of {named} are "
        f"fixed; {why}"
    )
