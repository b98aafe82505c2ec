"""Witnesses: for every real scheme of a run the best triangulation and signs that show it.

Of all rows of a run with a scheme, the best one lies on a triangulation that is certified regular,
and has the smallest weights (fewest bits, then lexicographically) once these are shrunk.  Only such
a witness gives a certificate; one on another triangulation proves no algebraic curve.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isqrt
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.lattice import Triangulation, certify_regularity
from tasks.records import InputError
from tasks.tcurves.certificates import Certificate
from tasks.tcurves.run import stored_triangulation
from tasks.tcurves.schemes import Scheme
from tasks.tcurves.weights import shrink_weights, weight_bits


@dataclass(frozen=True)
class Witness:
    """A scheme, and signs on a triangulation that have it."""

    scheme: Scheme
    triangulation: Triangulation
    """With small weights that prove it regular, or without weights."""
    signs: int
    """Sign word: bit i is the sign of point i."""

    @property
    def degree(self) -> int:
        """Degree of the curve."""
        return self.triangulation.degree

    @property
    def is_certified(self) -> bool:
        """Whether weights prove the triangulation regular, hence the curve algebraic."""
        return self.triangulation.weights is not None

    @property
    def file_stem(self) -> str:
        """Name for files about this scheme: 6-9v1_1 for <9v1<1>> in degree 6.

        Brackets are written _ and . except the last closing ones, which follow from the others.
        """
        inside = str(self.scheme)[1:-1].rstrip(">").replace("<", "_").replace(">", ".")
        return f"{self.degree}-{inside}"

    @cached_property
    def size(self) -> tuple[Any, ...]:
        """Order of witnesses of one scheme: the least is the best."""
        weights = self.triangulation.weights or ()
        triangles = tuple(map(tuple, self.triangulation.triangles.tolist()))
        return not self.is_certified, weight_bits(weights), weights, triangles, self.signs

    def certificate(self, *, provenance: Mapping[str, object] | None = None) -> Certificate:
        """Make the certificate; see `Certificate.of`.

        Raises
        ------
        InputError
            If the triangulation is not certified regular.
        """
        return Certificate.of(self.triangulation, self.signs, provenance=provenance)


def census_witnesses(histogram: pa.Table, summary: pa.Table) -> list[Witness]:
    """Choose the best witness of every scheme of a census, or of a sweep.

    Parameters
    ----------
    histogram : pa.Table
        Columns triangulation, scheme, witness; rows without a witness do not count.
    summary : pa.Table
        Columns triangulation, degree, triangles, weights, regular.

    Returns
    -------
    list of Witness
        One for every degree and scheme, ascending.
    """
    rows = histogram.filter(pc.field("witness").is_valid())
    shown = set(rows["triangulation"].to_pylist())
    triangulations = {
        row["triangulation"]: _shrunk_triangulation(row)
        for row in summary.to_pylist()
        if row["triangulation"] in shown
    }
    columns = (rows[name].to_pylist() for name in ("triangulation", "scheme", "witness"))
    return _best(
        Witness(Scheme.parse(scheme), triangulations[name], word)
        for name, scheme, word in zip(*columns, strict=True)
    )


def archive_witnesses(archive: pa.Table) -> list[Witness]:
    """List the smallest witness of every scheme of a hunt: the last row of the scheme.

    Parameters
    ----------
    archive : pa.Table
        Columns round, scheme, witness, triangles, weights, in the order of rounds. The round names
        the triangulation.
    """
    names = ["round", "scheme", "witness", "triangles", "weights"]
    last = {row["scheme"]: row for row in archive.select(names).to_pylist()}
    return _best(
        Witness(
            Scheme.parse(scheme),
            _shrunk_triangulation(
                {
                    "triangulation": f"round {row['round']}",
                    "degree": isqrt(len(row["triangles"])),
                    "regular": True,
                    **row,
                }
            ),
            row["witness"],
        )
        for scheme, row in last.items()
    )


def _shrunk_triangulation(row: Mapping[str, Any]) -> Triangulation:
    """Validate a stored triangulation and shrink its weights; without any if not certified."""
    stored = stored_triangulation(row)
    if not row["regular"]:
        return stored.with_weights(None)
    # Weights beyond 64 bits are not stored, though they were found.
    weights = stored.weights or certify_regularity(stored).weights
    return stored.with_weights(None if weights is None else shrink_weights(stored, weights))


def _best(witnesses: Iterable[Witness]) -> list[Witness]:
    """Choose the least witness of every degree and scheme."""
    best: dict[tuple[int, tuple[int, int, str]], Witness] = {}
    for witness in witnesses:
        key = witness.degree, witness.scheme.sort_key
        if key not in best or witness.size < best[key].size:
            best[key] = witness
    return [best[key] for key in sorted(best)]


def choose_schemes(witnesses: list[Witness], notation: str) -> list[Witness]:
    """Return the witnesses of one scheme, given in Viro notation.

    Raises
    ------
    InputError
        If the text is not Viro notation, or no witness has the scheme.
    """
    wanted = Scheme.parse(notation)
    chosen = [witness for witness in witnesses if witness.scheme == wanted]
    if not chosen:
        raise InputError(f"scheme {wanted} is not among the {len(witnesses)} schemes found")
    return chosen
