"""Real schemes: isotopy types of smooth real plane curves, as rooted trees.

The ovals of a curve C of degree d form a rooted forest under inclusion: the children of an oval are
the ovals directly inside it.  Equivalently the regions of RP^2 minus C are the vertices of a rooted
tree whose edges are the ovals; the root is the non-orientable region (d even) or the region next to
the pseudo-line J (d odd).

*Viro notation* writes n empty ovals side by side as ``n``, an oval around a scheme a as ``1<a>``,
a disjoint union with ``v``, and the pseudo-line as ``J``.  This module prints ``J`` first, then the
number of empty ovals, then the nests in ascending order of the number of ovals inside; equal nests
are written one by one.  It also reads ``m<a>`` for m equal nests, the sign U+2294 for the disjoint
union, and spaces.

An oval is *even* or *odd* by the number of ovals around it; p and n count them.

>>> scheme = Scheme.parse("<Jv1v1<3>>")
>>> scheme.ovals, scheme.p, scheme.n, scheme.depth
(5, 2, 3, 2)

References
----------
O. Viro, Progress in the topology of real algebraic varieties over the last six years (1986).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, total_ordering
from typing import Any, TypeAlias

from tasks.records import InputError
from tasks.records.errors import shortened

Forest: TypeAlias = tuple[Any, ...]
"""Children of a region: one Forest for each oval next to it; canonical ones are sorted."""

MAX_CODED_OVALS = 31
"""Ovals that the 64-bit code of a scheme holds (see `gpu.forests`)."""

MAX_DIGITS = 4
MAX_DEPTH = 64
MAX_OVALS = 10_000
"""What is read as Viro notation; curves up to degree 60 have at most 1712 ovals, 30 in a nest."""

_TOKEN = re.compile(r"\s*(?:(\d+)|([<>]|v|⊔|J))")


def count_ovals(forest: Forest) -> int:
    """Count the ovals of a forest."""
    return sum(1 + count_ovals(tree) for tree in forest)


def _key(tree: Forest) -> tuple[int, str]:
    """Order trees by the number of ovals inside, then by notation."""
    return count_ovals(tree), _notation(tree)


def canonical(forest: Forest) -> Forest:
    """Sort a forest and everything in it: equal exactly for isomorphic forests."""
    return tuple(sorted((canonical(tree) for tree in forest), key=_key))


def _notation(forest: Forest) -> str:
    """Print a canonical forest without the outer brackets; the empty forest is ''."""
    empty = sum(1 for tree in forest if not tree)
    parts = [str(empty)] if empty else []
    parts += [f"1<{_notation(tree)}>" for tree in forest if tree]
    return "v".join(parts)


@total_ordering
@dataclass(frozen=True)
class Scheme:
    """The real scheme of a curve: its ovals, and whether it has a pseudo-line.

    Build it with `of`, `parse` or `from_code`; these put the forest in canonical order.
    """

    forest: Forest
    pseudo_line: bool
    """True for curves of odd degree."""

    @classmethod
    def of(cls, forest: Forest, *, pseudo_line: bool) -> Scheme:
        """Make a scheme from nested tuples in any order."""
        return cls(canonical(forest), pseudo_line)

    @classmethod
    def from_code(cls, code: int, *, pseudo_line: bool) -> Scheme:
        """Decode balanced parentheses (see `gpu.forests`)."""
        stack: list[list[Forest]] = [[]]
        for bit in f"{code:b}" if code else "":
            if bit == "1":
                stack.append([])
            else:
                tree = tuple(stack.pop())
                stack[-1].append(tree)
        return cls.of(tuple(stack[0]), pseudo_line=pseudo_line)

    @classmethod
    def parse(cls, text: str) -> Scheme:
        """Read Viro notation, with or without the outer brackets.

        Raises
        ------
        InputError
            If the text is not Viro notation, with the place, or is beyond `MAX_DIGITS`,
            `MAX_DEPTH` or `MAX_OVALS`.
        """
        return _Parser(text).scheme()

    @property
    def code(self) -> int:
        """Balanced parentheses with descending trees; at most `MAX_CODED_OVALS` ovals."""
        if self.ovals > MAX_CODED_OVALS:
            raise InputError(f"{self} has {self.ovals} ovals; a code holds {MAX_CODED_OVALS}")
        return int(_parentheses(self.forest) or "0", 2)

    @cached_property
    def ovals(self) -> int:
        """Number of ovals; the pseudo-line is not one."""
        return count_ovals(self.forest)

    @cached_property
    def components(self) -> int:
        """Number of components of the curve, the pseudo-line included."""
        return self.ovals + self.pseudo_line

    @cached_property
    def p(self) -> int:
        """Number of even ovals: those inside an even number of others."""
        return _count_by_parity(self.forest, 0)

    @cached_property
    def n(self) -> int:
        """Number of odd ovals."""
        return self.ovals - self.p

    @cached_property
    def depth(self) -> int:
        """Length of the longest nest."""
        return max((1 + Scheme(tree, False).depth for tree in self.forest), default=0)

    @cached_property
    def _text(self) -> str:
        inner = _notation(self.forest)
        if self.pseudo_line:
            return f"<Jv{inner}>" if inner else "<J>"
        return f"<{inner or '0'}>"

    @cached_property
    def sort_key(self) -> tuple[int, int, str]:
        """Number of ovals, then depth, then notation."""
        return self.ovals, self.depth, self._text

    def __str__(self) -> str:
        return self._text

    def __lt__(self, other: Scheme) -> bool:
        """Order by `sort_key`."""
        return self.sort_key < other.sort_key


def _count_by_parity(forest: Forest, parity: int) -> int:
    """Count the ovals at levels of a parity, the outermost level being 0."""
    return sum((parity == 0) + _count_by_parity(tree, 1 - parity) for tree in forest)


def _parentheses(forest: Forest) -> str:
    """Write a forest as balanced parentheses 1 and 0, trees in descending order of value."""
    trees = [f"1{_parentheses(tree)}0" for tree in forest]
    return "".join(sorted(trees, key=lambda tree: (len(tree), tree), reverse=True))


class _Parser:
    """Recursive descent over: scheme = term {v term}, term = J | number [< scheme >]; linear."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, int]] = []
        self._depth = 0
        position, end = 0, len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._error(position)
            self._tokens.append((match.group().strip().replace("⊔", "v"), position))
            position = match.end()
        self._tokens.append(("", len(text)))
        self._at = 0

    def _error(self, position: int) -> InputError:
        return InputError(
            f"{shortened(self._text)} is not a real scheme in Viro notation "
            f"(at character {position + 1}); examples: <9v1<1>>, <Jv1v1<3>>"
        )

    def _beyond(self, what: str) -> InputError:
        return InputError(f"{shortened(self._text)} is not read as a real scheme: it has {what}")

    def _take(self, expected: str = "") -> str:
        token, position = self._tokens[self._at]
        if expected and token != expected:
            raise self._error(position)
        self._at += 1
        return token

    def _next(self) -> str:
        return self._tokens[self._at][0]

    def scheme(self) -> Scheme:
        bracketed = self._next() == "<"
        if bracketed:
            self._take("<")
        pseudo_line = self._next() == "J"
        if pseudo_line:
            self._take("J")
        forest: Forest = ()
        if not pseudo_line or self._next() == "v":
            if pseudo_line:
                self._take("v")
            forest = self._forest()
        if bracketed:
            self._take(">")
        if self._next():
            raise self._error(self._tokens[self._at][1])
        return Scheme.of(forest, pseudo_line=pseudo_line)

    def _forest(self) -> Forest:
        """Read a disjoint union; count before anything is multiplied out."""
        terms = [self._term()]
        while self._next() == "v":
            self._take("v")
            terms.append(self._term())
        if sum(number * (1 + count_ovals(inside)) for number, inside in terms) > MAX_OVALS:
            raise self._beyond(f"more than {MAX_OVALS} ovals")
        return tuple(inside for number, inside in terms for _ in range(number))

    def _term(self) -> tuple[int, Forest]:
        """Read m<a>, or m alone, as (m, a)."""
        token, position = self._tokens[self._at]
        if not token.isdigit() or len(token) > MAX_DIGITS:
            raise self._error(position)
        self._take()
        inside: Forest = ()
        if self._next() == "<":
            self._take("<")
            inside = self._inside()
            self._take(">")
        return int(token), inside

    def _inside(self) -> Forest:
        """Read what is inside ovals."""
        self._depth += 1
        if self._depth >= MAX_DEPTH:
            raise self._beyond(f"more than {MAX_DEPTH} ovals in a nest")
        forest = self._forest()
        self._depth -= 1
        return forest
