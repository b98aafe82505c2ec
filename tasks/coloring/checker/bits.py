"""Pairs of cells of one color at given offsets, by bit sets in Python integers.

A grid is padded with its wrapped cells along every axis, so that all cells and their neighbors at
an offset are one shift apart; a run of t offsets is one offset of the set that was shifted by
0, ..., t - 1 and united.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from tasks.coloring.checker.limits import MAX_PADDED_CELLS, Budget
from tasks.coloring.checker.offsets import Run
from tasks.coloring.checker.verdicts import RefusedError
from tasks.coloring.checker.walks import Offset


@dataclass(frozen=True)
class Residue:
    """A run modulo the shape: its first offset, with coordinates in [0, m_a), and its length."""

    first: Offset
    length: int


def residues(runs: Iterable[Run], shape: Sequence[int]) -> list[Residue]:
    """The runs modulo the shape, each once; of d and -d the one whose last coordinate is smaller.

    A run of a whole row or more is a whole row.
    """
    found: set[Residue] = set()
    for run in runs:
        for first, length in _parts(run):
            size = min(length, shape[-1])
            last = (*run.prefix, first + length - 1)
            starts = [(*run.prefix, first), tuple(-x for x in last)]
            choices = [tuple(x % m for x, m in zip(d, shape, strict=True)) for d in starts]
            found.add(Residue(min(choices, key=lambda d: d[-1]), size))
    return sorted(found, key=lambda r: (r.length, r.first))


def _parts(run: Run) -> Iterator[tuple[int, int]]:
    """First and length of what lies on either side of 0."""
    if run.first < 0 <= run.last:
        yield run.first, -run.first
        yield 0, run.last + 1
    else:
        yield run.first, len(run)


@dataclass(frozen=True)
class Padding:
    """A grid as a bit set with room for the wrapped cells that residues reach.

    Attributes
    ----------
    shape
        The cells along every axis.
    padded
        The same with wrapped cells.
    """

    shape: tuple[int, ...]
    padded: tuple[int, ...]

    @classmethod
    def of(cls, shape: Sequence[int], wanted: Sequence[Residue]) -> Padding:
        """The least padding that these residues need.

        Raises
        ------
        RefusedError
            If that is too much.
        """
        ends = [max((r.first[a] for r in wanted), default=0) for a in range(len(shape))]
        ends[-1] = max((r.first[-1] + r.length - 1 for r in wanted), default=0)
        padded = tuple(m + end for m, end in zip(shape, ends, strict=True))
        if prod(padded) > MAX_PADDED_CELLS:
            raise RefusedError(
                f"too much work: {prod(padded):,} cells with the wrapped ones; "
                f"{MAX_PADDED_CELLS:,} are allowed"
            )
        return cls(tuple(shape), padded)

    def shift(self, offset: Offset) -> int:
        """How many bits an offset is."""
        total = 0
        for x, size in zip(offset, self.padded, strict=True):
            total = total * size + x
        return total

    def cell(self, bit: int) -> Offset:
        """The cell of a bit."""
        place = []
        for size in reversed(self.padded):
            bit, x = divmod(bit, size)
            place.append(x)
        return tuple(reversed(place))

    def bits(self, flags: bytes, *, is_wrapped: bool) -> int:
        """The set of the cells with flag b"1", of b"0" and b"1" in row-major order.

        Wrapped cells are in it iff is_wrapped.
        """
        *heads, width = self.shape
        *padded_heads, padded_width = self.padded
        copies = -(-padded_width // width)
        empty = b"0" * padded_width
        rows = []
        for place in product(*map(range, padded_heads)):
            if not is_wrapped and any(x >= m for x, m in zip(place, heads, strict=True)):
                rows.append(empty)
                continue
            start = 0
            for x, m in zip(place, heads, strict=True):
                start = start * m + x % m
            row = flags[start * width : (start + 1) * width]
            rows.append(
                (row * copies)[:padded_width] if is_wrapped else row.ljust(padded_width, b"0")
            )
        # The first cell is the lowest bit.
        return int(b"".join(rows)[::-1], 2)


def first_pair(
    grid: bytes, color: int, wanted: Sequence[Residue], padding: Padding, budget: Budget
) -> tuple[Offset, Offset] | None:
    """A cell of the color and a residue at which another, or itself, has the color too.

    Parameters
    ----------
    grid
        One byte per cell in row-major order.
    color
        Its byte.
    wanted
        Residues in order of their length.
    padding
        One that is enough for them.
    budget
        For bits times shifts.
    """
    flags = grid.translate(bytes(b"01"[value == color] for value in range(256)))
    if b"1" not in flags:
        return None
    base = padding.bits(flags, is_wrapped=False)
    united, length = padding.bits(flags, is_wrapped=True), 1
    size = prod(padding.padded)
    for residue in wanted:
        while length < residue.length:
            step = min(length, residue.length - length)
            budget.spend(size)
            united |= united >> step
            length += step
        budget.spend(size)
        hits = base & (united >> padding.shift(residue.first))
        if hits:
            cell = padding.cell((hits & -hits).bit_length() - 1)
            return cell, _offset_at(flags, padding.shape, cell, residue)
    return None


def _offset_at(flags: bytes, shape: Sequence[int], cell: Offset, residue: Residue) -> Offset:
    """The offset of a run at which the other cell has the color."""
    *prefix, first = residue.first
    for last in range(first, first + residue.length):
        offset = (*prefix, last)
        index = 0
        for x, d, m in zip(cell, offset, shape, strict=True):
            index = index * m + (x + d) % m
        if flags[index : index + 1] == b"1":
            return offset
    raise AssertionError("a bit was set that stands for no cell")
