"""Models with what led to them: steps of training, and the models they were made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from tasks.nn import Fit, FitStatus
from tasks.pruning.sparse_models import SparseModel


@dataclass(frozen=True)
class Provenance:
    """What the file of a model says about its training, for the items that start from it.

    Attributes
    ----------
    steps : int
        Steps of training in its item.
    total_steps : int
        Steps of all trainings that it needed, shared ones once.
    dense_steps : int
        Those before the first pruning.
    target : float
        Sparsity that was asked for.
    base_steps : int, optional
        Steps in all of the model it comes from.
    rates : float, optional
        Distance d1 of a pruning, on which adaptive rates depend; None where rates are kept.
    is_dense : bool, optional
        Whether weights outside the masks are kept, since they may come back.
    """

    steps: int
    total_steps: int
    dense_steps: int
    target: float
    base_steps: int | None = None
    rates: float | None = None
    is_dense: bool | None = None

    @classmethod
    def of_dense(cls, steps: int) -> Provenance:
        """Of a network before its first pruning."""
        return cls(steps, steps, steps, 0.0)

    @classmethod
    def read(cls, header: Mapping[str, Any]) -> Provenance:
        """From the header of a file."""
        return cls(**{name: header[name] for name in cls.__annotations__ if name in header})

    def header(self, method: str) -> dict[str, Any]:
        """Entries of a file's header: only those that a model of this kind has.

        A pruned network always has `rates`. Ids of files are digests that include this.
        """
        entries = {name: value for name, value in asdict(self).items() if value is not None}
        return entries | {"rates": self.rates} if method == "pruned" else entries


@dataclass(frozen=True, eq=False)
class StoredModel:
    """A model that was read from its file.

    Attributes
    ----------
    sparse : SparseModel
    provenance : Provenance
    member : int
    """

    sparse: SparseModel
    provenance: Provenance
    member: int = 0


@dataclass(frozen=True, eq=False)
class NewModel:
    """A model that an item has made.

    Attributes
    ----------
    method : str
        What it is, in the table of models.
    sparse : SparseModel
        Of an ensemble a network with the masks of its members.
    provenance : Provenance
    fit : Fit, optional
        Its training, if it had one.
    member : int, optional
        If it differs from that of the item.
    visible : torch.nn.Module, optional
        What is evaluated, if it is another network.
    num_networks : int
        More than 0 for an ensemble, which has no file.
    note : str
    distances : sequence of (first, second, distance, relative)
        Of the members that it was merged from.
    """

    method: str
    sparse: SparseModel
    provenance: Provenance
    fit: Fit | None = None
    member: int | None = None
    visible: nn.Module | None = None
    num_networks: int = 0
    note: str = ""
    distances: Sequence[tuple[int, int, float, float]] = ()

    @property
    def evaluated(self) -> nn.Module:
        """The network that is evaluated."""
        return self.sparse.model if self.visible is None else self.visible

    @property
    def reason(self) -> str:
        """Why its training did not come to its end."""
        return self.fit.reason if self.fit and self.fit.status != FitStatus.FINISHED else ""
