"""Grids on a torus as bit sets, and the pairs that a shift makes, in exact integers.

A grid of truth values is kept with 64 cells of its last axis in a word, continued periodically by
one period along every axis. The cells shifted by d are then a window of it, once the words of the
last axis are shifted by d mod 64.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["TorusBits", "num_bits"]

_WORD = 64

Words = NDArray[np.uint64]


class TorusBits:
    """A set of cells of a torus.

    Parameters
    ----------
    cells
        Truth values (m_1, ..., m_n).

    Attributes
    ----------
    words
        (m_1, ..., m_(n-1), number of words); bits beyond the last cell are 0.
    """

    def __init__(self, cells: NDArray[np.bool_]) -> None:
        self.shape = cells.shape
        self.num_words = -(-cells.shape[-1] // _WORD)
        self.words = _packed(cells, self.num_words)
        for axis, m in enumerate(cells.shape[:-1]):
            cells = np.concatenate([cells, np.take(cells, range(m - 1), axis=axis)], axis=axis)
        last = cells.shape[-1]
        num_words = (last - 1) // _WORD + self.num_words + 1
        columns = np.arange(num_words * _WORD) % last
        self._continued = _packed(cells[..., columns], num_words)

    def shifted(self, shifts: NDArray[np.int64]) -> Iterator[tuple[int, Words]]:
        """For each shift d (of q, n) its place among them and the words of {i : i + d in the set}.

        The order is another one, so that words are shifted once for each remainder. The words are
        part of a larger array; bits beyond the last cell may be set.
        """
        places = np.mod(shifts, np.array(self.shape))
        remainders = places[:, -1] % _WORD
        for remainder in np.unique(remainders):
            turned = self._turned(int(remainder))
            for place in np.flatnonzero(remainders == remainder).tolist():
                yield place, self._window(turned, places[place])

    def _turned(self, bits: int) -> Words:
        """All words shifted down by some bits, with those of the next word on top."""
        low = self._continued >> np.uint64(bits)
        if bits:
            low[..., :-1] |= self._continued[..., 1:] << np.uint64(_WORD - bits)
        return low

    def _window(self, turned: Words, shift: NDArray[np.int64]) -> Words:
        starts = [*shift[:-1].tolist(), int(shift[-1]) // _WORD]
        lengths = [*self.shape[:-1], self.num_words]
        return turned[tuple(slice(a, a + m) for a, m in zip(starts, lengths, strict=True))]

    def unpacked(self, words: Words) -> NDArray[np.bool_]:
        """The truth values of words of this torus."""
        octets = words.astype("<u8", order="C").view(np.uint8).reshape(*self.shape[:-1], -1)
        bits = np.unpackbits(octets, axis=-1, count=self.shape[-1], bitorder="little")
        return bits.astype(np.bool_)


def _packed(cells: NDArray[np.bool_], num_words: int) -> Words:
    """Words of the last axis, the first cell in the lowest bit; padded with zeros."""
    octets = np.packbits(cells, axis=-1, bitorder="little")
    padding = [(0, 0)] * (cells.ndim - 1) + [(0, 8 * num_words - octets.shape[-1])]
    whole = np.ascontiguousarray(np.pad(octets, padding))
    return whole.view("<u8").astype(np.uint64).reshape(*cells.shape[:-1], num_words)


def num_bits(words: Words) -> int:
    """How many bits are set."""
    return int(np.bitwise_count(words).sum(dtype=np.uint32))  # of at most 2^28 cells
