"""Cards of data sets: the cards of their shards summed up."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

HISTOGRAMS = ("sizes", "num_free", "num_terms", "cancelled", "hidden")


@dataclass(frozen=True)
class DatasetCard:
    """What a data set holds.

    Attributes
    ----------
    dataset, family : str
    num_variables, half_degree, size : int
        The point of the grid.
    is_sos : bool
        Whether its polynomials are sums of squares.
    num_rows : int
    splits : mapping
        Rows by split.
    sums : int
        Sum of |B + B| over all rows.
    histograms : mapping
        Of m (``sizes``), K (``num_free``), |supp p| (``num_terms``), terms that cancelled
        (``cancelled``) and squares of the basis that did (``hidden``): value -> rows.
    """

    dataset: str
    family: str
    num_variables: int
    half_degree: int
    size: int
    is_sos: bool
    num_rows: int
    splits: Mapping[str, int]
    sums: int
    histograms: Mapping[str, Mapping[int, int]]

    def mean(self, name: str) -> float:
        """Mean of one of the numbers of `histograms`."""
        return self.total(name) / self.num_rows if self.num_rows else float("nan")

    def total(self, name: str) -> int:
        """Sum over all rows."""
        return sum(value * count for value, count in self.histograms[name].items())

    def quantile(self, name: str, share: float) -> int:
        """The least value that a share of the rows does not exceed."""
        histogram = sorted(self.histograms[name].items())
        reached = np.cumsum([count for _, count in histogram])
        place = int(np.searchsorted(reached, share * reached[-1]))
        return histogram[min(place, len(histogram) - 1)][0]

    @property
    def cancellation_rate(self) -> float:
        """Cancelled terms as a share of all products of two monomials of the basis."""
        return self.total("cancelled") / self.sums if self.sums else 0.0

    @property
    def hidden_share(self) -> float:
        """Share of the rows with a monomial of the basis whose square is not a term."""
        return 1 - self.histograms["hidden"].get(0, 0) / self.num_rows if self.num_rows else 0.0


def summed_cards(texts: Iterable[str]) -> list[DatasetCard]:
    """One card per data set from the JSON texts of its shards, in the order of the first shards."""
    names = ("dataset", "family", "num_variables", "half_degree", "size", "is_sos")
    found: dict[str, dict[str, Any]] = {}
    for card in map(json.loads, texts):
        counts = {"num_rows": 0, "sums": 0, "splits": {}, "histograms": {k: {} for k in HISTOGRAMS}}
        total = found.setdefault(card["dataset"], {name: card[name] for name in names} | counts)
        total["num_rows"] += card["num_rows"]
        total["sums"] += card["sums"]
        _add(total["splits"], card["splits"].items())
        for name in HISTOGRAMS:
            _add(total["histograms"][name], card[name])
    return [DatasetCard(**card) for card in found.values()]


def _add(counts: dict[Any, int], more: Iterable[Any]) -> None:
    for key, count in more:
        counts[key] = counts.get(key, 0) + count
