"""Patterns of sparsity within a layer: so many weights per row, or n of every m inputs.

0.5     half of the weights of every row (of the whole matrix, if that is asked for) go
2:4     of every four consecutive inputs two stay
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from torch import Tensor

from tasks.nn.sparsity import largest, largest_in_rows
from tasks.records import InputError

__all__ = ["Pattern"]


@dataclass(frozen=True)
class Pattern:
    """How many weights stay, and where they may lie.

    Attributes
    ----------
    sparsity : float
        Share that goes, in [0, 1).
    kept, group : int
        n and m of n:m; 0 without groups.
    """

    sparsity: float
    kept: int = 0
    group: int = 0

    @classmethod
    def parse(cls, text: str | float) -> Pattern:
        """Of ``0.5`` or ``2:4``.

        Raises
        ------
        InputError
            Unless the share lies in [0, 1), or 1 <= n < m.
        """
        if found := re.fullmatch(r"\s*(\d+)\s*:\s*(\d+)\s*", str(text)):
            kept, group = map(int, found.groups())
            if not 1 <= kept < group:
                raise InputError(f"pattern {text}: n:m needs 1 <= n < m")
            return cls(1 - kept / group, kept, group)
        try:
            share = float(text)
        except ValueError:
            share = -1.0
        if not 0 <= share < 1:
            raise InputError(f"pattern {text}: give a share in [0, 1), such as 0.5, or n:m as 2:4")
        return cls(share)

    def __str__(self) -> str:
        return f"{self.kept}:{self.group}" if self.group else f"{self.sparsity:g}"

    def check(self, name: str, width: int) -> None:
        """Refuse a layer whose number of inputs does not fit.

        Raises
        ------
        InputError
            Naming the layer.
        """
        if self.group and width % self.group:
            raise InputError(
                f"{name} has {width} inputs, which cannot be pruned {self}: {self.group} does not "
                "divide them"
            )

    def num_kept(self, width: int) -> int:
        """How many of the weights of a row stay."""
        if self.group:
            return width // self.group * self.kept
        return max(round((1 - self.sparsity) * width), 1)

    def largest(self, scores: Tensor, *, by_matrix: bool = False) -> Tensor:
        """Mask bool (rows, width) of the largest scores; of equal ones the first are kept.

        Parameters
        ----------
        scores : Tensor (rows, width)
        by_matrix : bool
            Compare all scores of the matrix, not those of each row (no n:m).
        """
        if by_matrix and not self.group:
            count = self.num_kept(scores.shape[1]) * scores.shape[0]
            return largest(scores, count)
        if self.group:
            groups = scores.reshape(-1, self.group)
            return largest_in_rows(groups, self.kept).view(scores.shape)
        return largest_in_rows(scores, self.num_kept(scores.shape[1]))

    def fits(self, mask: Tensor, *, by_row: bool = False) -> bool:
        """Whether a mask has this pattern, exactly; without groups as a whole, or in every row."""
        if self.group:
            counts = mask.reshape(-1, self.group).sum(dim=1)
            return bool((counts == self.kept).all())
        if by_row:
            return bool((mask.sum(dim=1) == self.num_kept(mask.shape[1])).all())
        return int(mask.sum()) == self.num_kept(mask.shape[1]) * len(mask)
