"""Exponent rows as few 62-bit words.

The digits |a|, a_1, ..., a_n of a row a are packed into as few words as hold them. Words add as
exponents do, and their lexicographic order is the graded lexicographic order of rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_WORD = 1 << 62


def largest_digits(rows: NDArray[np.int32]) -> list[int]:
    """The largest degree and the largest exponent of each variable; of at least one row."""
    return [int(rows.sum(axis=1, dtype=np.int64).max()), *rows.max(axis=0).tolist()]


class Packing:
    """Packs rows whose `largest_digits` are at most the given ones, each below 2^62."""

    def __init__(self, largest: Sequence[int]) -> None:
        self._radices: list[list[int]] = [[]]
        size = 1
        for digit in largest:
            size *= digit + 1
            if size > _WORD:
                self._radices.append([])
                size = digit + 1
            self._radices[-1].append(digit + 1)

    @property
    def num_words(self) -> int:
        """The number of words per row, at least 1."""
        return len(self._radices)

    def words(self, rows: NDArray[np.int32]) -> NDArray[np.int64]:
        """Words of rows (T, n), shape (T, num_words)."""
        digits = iter([rows.sum(axis=1, dtype=np.int64), *rows.T])
        words = np.zeros((len(rows), self.num_words), dtype=np.int64)
        for word, radices in zip(words.T, self._radices, strict=True):
            for radix in radices:
                word *= radix
                word += next(digits)
        return words

    def rows(self, words: NDArray[np.int64]) -> NDArray[np.int32]:
        """Rows of words, the inverse of `words`."""
        digits: list[NDArray[np.int64]] = []
        for word, radices in zip(words.T[::-1], self._radices[::-1], strict=True):
            for radix in radices[::-1]:
                word, digit = np.divmod(word, radix)
                digits.append(digit)
        exponents = digits[-2::-1]
        rows = np.empty((len(words), len(exponents)), dtype=np.int32)
        for i, digit in enumerate(exponents):
            rows[:, i] = digit
        return rows
