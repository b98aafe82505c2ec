"""Labels of positions: which entries of tensors can only be removed together.

A *part* of a tensor is an integer array that broadcasts to its shape: the entry at a position goes
if the class of its label goes.  Classes are kept by union-find; class 0 is never removed.  A tensor
has a part per dimension that can shrink (of a weight (O, I): its rows and its columns); splitting
a dimension gives a part that varies along several.  Views are followed by doing to the labels what
is done to the tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

Source = tuple[str, int]
"""Name and dimension of a parameter or buffer."""


@dataclass(frozen=True, eq=False)
class Part:
    """Labels of a tensor.

    Attributes
    ----------
    ids : int64 Tensor
        Of size 1 in dimensions along which nothing varies.
    is_silent : bool
        Whether entries that go are 0 in the masked model.
    source : Source, optional
        Set while the tensor is a parameter or buffer, or a view of it.
    """

    ids: Tensor
    is_silent: bool = False
    source: Source | None = None

    @property
    def dims(self) -> tuple[int, ...]:
        """Dimensions along which the labels vary."""
        return tuple(dim for dim, size in enumerate(self.ids.shape) if size > 1)


@dataclass(frozen=True, eq=False)
class Value:
    """Shape of a tensor with its parts."""

    shape: tuple[int, ...]
    parts: tuple[Part, ...] = ()

    def at(self, dim: int) -> Part | None:
        """The part that varies along a dimension."""
        return next((part for part in self.parts if dim in part.dims), None)

    def lifted(self, ndim: int) -> Value:
        """With leading dimensions of size 1."""
        new = (1,) * (ndim - len(self.shape))
        parts = (replace(p, ids=p.ids.reshape(*new, *p.ids.shape)) for p in self.parts)
        return Value((*new, *self.shape), tuple(parts))

    def mapped(self, function: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> Value:
        """With a function done to the labels."""
        return Value(shape, tuple(replace(p, ids=function(p.ids)) for p in self.parts))


@dataclass(frozen=True, eq=False)
class Met:
    """A part that several operands have in common; None for those that are broadcast along it."""

    ids: Tensor
    members: tuple[Part | None, ...]


class Labels:
    """Classes of labels by union-find; the smallest label of a class stands for it."""

    def __init__(self) -> None:
        self._parents = np.zeros(1, dtype=np.int64)
        self._owners: list[tuple[int, Source]] = []
        self.reasons: dict[Source, str] = {}

    def new(self, count: int, owner: Source) -> Tensor:
        """Fresh labels (count,) of a dimension."""
        start = len(self._parents)
        ids = np.arange(start, start + count)
        self._parents = np.concatenate([self._parents, ids])
        self._owners.append((start, owner))
        return torch.from_numpy(ids)

    def roots(self, ids: Tensor) -> Tensor:
        """Labels that stand for the classes of others."""
        found = ids.numpy()
        while True:
            above = self._parents[found]
            if np.array_equal(above, found):
                return torch.from_numpy(np.ascontiguousarray(found))
            found = above

    def unite(self, first: Tensor, second: Tensor) -> None:
        """Make the classes of labels one, entry by entry of arrays that broadcast."""
        pairs = torch.stack(torch.broadcast_tensors(self.roots(first), self.roots(second)))
        pairs = pairs.flatten(1)[:, (pairs[0] != pairs[1]).flatten()]
        for one, other in torch.unique(pairs, dim=1).T.tolist():
            low, high = sorted((self._root(one), self._root(other)))
            self._parents[high] = low

    def unite_along(self, ids: Tensor, dims: Iterable[int]) -> Tensor:
        """Make labels equal along dimensions; they have size 1 there in the result."""
        first = ids
        for dim in dims:
            first = first.narrow(dim, 0, 1)
        self.unite(ids, first)
        return self.roots(first)

    def fix(self, ids: Tensor, reason: str) -> None:
        """Never remove these, and remember the first reason per parameter."""
        roots = self.roots(ids)
        going = roots[roots != 0].numpy()
        if not len(going):
            return
        everything = self.roots(torch.arange(len(self._parents))).numpy()
        starts = [start for start, _ in self._owners]
        members = np.isin(everything, going).nonzero()[0]
        for owner in np.unique(np.searchsorted(starts, members, side="right") - 1):
            self.reasons.setdefault(self._owners[owner][1], reason)
        self.unite(roots, torch.zeros(1, dtype=torch.int64))

    def compressed(self, ids: Tensor) -> Tensor:
        """Classes, of size 1 in dimensions along which they do not vary."""
        roots = self.roots(ids)
        for dim, size in enumerate(roots.shape):
            first = roots.narrow(dim, 0, 1)
            if size > 1 and bool((roots == first).all()):
                roots = first
        return roots

    def tidy(self, value: Value, reason: str) -> Value:
        """Compressed parts; what would vanish as a whole is fixed, what is fixed is left out."""
        parts = []
        for part in value.parts:
            made = replace(part, ids=self.compressed(part.ids))
            if made.dims:
                parts.append(made)
            else:
                self.fix(made.ids, reason)
        return Value(value.shape, tuple(parts))

    def meet(self, operands: Sequence[Value], reason: str) -> list[Met]:
        """Unite parts of operands that broadcast together (all of as many dimensions)."""
        for number, value in enumerate(operands):
            others = [o for n, o in enumerate(operands) if n != number]
            for part in value.parts:
                self._meet_others(part, value, others, reason)
        met: list[tuple[Tensor, list[Part | None]]] = []
        for number, value in enumerate(operands):
            for part in self.tidy(value, reason).parts:
                equal = (m for m in met if torch.equal(self.roots(m[0]), part.ids))
                entry = next(equal, None)
                if entry is None:
                    members: list[Part | None] = [None] * len(operands)
                    entry = (part.ids, members)
                    met.append(entry)
                entry[1][number] = part
        return [Met(ids, tuple(members)) for ids, members in met]

    def _meet_others(self, part: Part, value: Value, others: Iterable[Value], reason: str) -> None:
        for other in others:
            blocked = [dim for dim in part.dims if other.shape[dim] != 1]
            partners = [q for q in other.parts if set(q.dims) & set(part.dims)]
            if not blocked or (partners and all(_is_inside(part, value, q) for q in partners)):
                continue
            if len(blocked) < len(part.dims) and all(q.source for q in partners):
                # Such as a scale of all entries of a head: heads can go, entries cannot.
                for partner in partners:
                    self.fix(partner.ids, reason)
                self.unite_along(part.ids, blocked)
                continue
            if not partners:
                self.fix(part.ids, reason)
            for partner in partners:
                self.unite(part.ids, partner.ids)

    def _root(self, label: int) -> int:
        while self._parents[label] != label:
            label = int(self._parents[label])
        return label


def _is_inside(part: Part, value: Value, wider: Part) -> bool:
    """Whether a part of a parameter is broadcast along the other dimensions of a wider part."""
    more = set(wider.dims) - set(part.dims)
    is_less = set(part.dims) < set(wider.dims)
    return part.source is not None and is_less and all(value.shape[dim] == 1 for dim in more)
