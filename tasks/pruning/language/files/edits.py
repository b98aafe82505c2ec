"""What becomes of the tensors of a folder: changed weights, and masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

import torch
from torch import Tensor

from tasks.pruning.language.files.tensor_files import DTYPES, WeightFiles
from tasks.records import InputError

__all__ = ["Edits", "Naming"]

Changed = Mapping[str, Tensor] | Callable[[str], Tensor | None]


@dataclass(frozen=True, eq=False)
class Naming:
    """Names of parameters for the keys in files.

    Attributes
    ----------
    names : mapping of tuple of str
        By key in the files, the parameters that it holds; several if they are tied.
    """

    names: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(
        cls,
        stored: Collection[str],
        keys: Mapping[str, str] | None = None,
        tied: Mapping[str, str] | None = None,
    ) -> Naming:
        """Of what a folder holds.

        Parameters
        ----------
        stored : collection of str
            Keys in the files.
        keys : mapping of str, optional
            Parameter -> key, where they differ; tied parameters may have one key.
        tied : mapping of str, optional
            Parameter -> the parameter that it shares its numbers with; both may be stored, or one.
        """
        given = {name: key for name, key in (keys or {}).items() if key in stored}
        found = {key: {key} for key in stored}
        for key in given.values():
            found[key] -= {key}
        for name, key in given.items():
            found[key].add(name)
        count = Counter(name for group in found.values() for name in group)
        twice = {name: name for name, number in count.items() if number > 1}
        for pair in (twice | dict(tied or {})).items():
            both = [group for group in found.values() if not group.isdisjoint(pair)]
            whole = set(pair).union(*both)
            for group in both:
                group |= whole
        return cls({key: tuple(sorted(group)) for key, group in found.items()})

    @cached_property
    def parameters(self) -> dict[str, str]:
        """Key in the files, by name of the parameter; the first of several."""
        found: dict[str, str] = {}
        for key, group in self.names.items():
            for name in group:
                if name == key or name not in found:
                    found[name] = key
        return found

    def check(self, names: Collection[str], what: str) -> None:
        """Refuse names that the folder does not have.

        Raises
        ------
        InputError
        """
        known = self.parameters
        for name in names:
            if name not in known:
                close = get_close_matches(name, known, n=1)
                hint = f"; did you mean {close[0]}?" if close else ""
                raise InputError(f"{what} of {name}, which the model does not have{hint}")


@dataclass(frozen=True, eq=False)
class Edits:
    """What becomes of each tensor.

    Attributes
    ----------
    changed : callable
        Tensor of a parameter, or None if it stays as it is.
    masks : mapping of Tensor
        Bool, by name of the parameter.
    """

    source: WeightFiles
    naming: Naming
    changed: Callable[[str], Tensor | None]
    masks: Mapping[str, Tensor]

    @classmethod
    def of(
        cls, source: WeightFiles, naming: Naming, changed: Changed, masks: Mapping[str, Tensor]
    ) -> Edits:
        """Of what is asked for.

        Raises
        ------
        InputError
            For names that the source does not have.
        """
        naming.check(list(masks), "mask")
        if isinstance(changed, Mapping):
            naming.check(list(changed), "weights")
            changed = changed.get
        return cls(source, naming, changed, masks)

    def mask(self, key: str) -> Tensor | None:
        """Mask of what is stored under a key; None for a tensor that is whole.

        Raises
        ------
        InputError
            For a mask that is not boolean, of another shape, or not that of a tied weight.
        """
        mask = _same(key, [self.masks[n] for n in self.naming.names[key] if n in self.masks])
        shape = self.source.layout[key][1]
        if mask is not None and (mask.dtype != torch.bool or tuple(mask.shape) != shape):
            raise InputError(
                f"mask of {key} is {_spelled(mask)}, but it has to be bool {list(shape)}"
            )
        return None if mask is None else mask.cpu()

    def tensor(self, key: str) -> Tensor | None:
        """What is written; None for a tensor that stays as it is.

        Raises
        ------
        InputError
            For weights of another shape, that are not finite, or not zero outside their mask.
        """
        mask = self.mask(key)
        new = _same(key, [t for n in self.naming.names[key] if (t := self.changed(n)) is not None])
        if new is None:
            return None if mask is None else _masked(self.source.read(key), mask)
        value = self._cast(key, new)
        if mask is None:
            return value
        if bool(value[~mask].count_nonzero()):
            raise InputError(f"weights of {key} are not zero where its mask prunes them")
        return _masked(value, mask)

    def _cast(self, key: str, new: Tensor) -> Tensor:
        """Weights in the kind of number of the source."""
        dtype, shape = self.source.layout[key]
        if dtype not in DTYPES or tuple(new.shape) != shape:
            raise InputError(
                f"weights of {key} are {_spelled(new)}, the source has {dtype} {list(shape)}"
            )
        value = new.detach().cpu().to(DTYPES[dtype])
        if not bool(value.isfinite().all()):
            overflow = f" as {dtype}" if bool(new.isfinite().all()) else ""
            raise InputError(f"weights of {key} are not finite{overflow}; they are not written")
        return value


def _same(key: str, tensors: list[Tensor]) -> Tensor | None:
    """The one tensor of tied parameters."""
    if any(not torch.equal(each, tensors[0]) for each in tensors[1:]):
        raise InputError(f"{key} is tied, but its parameters are given different numbers")
    return tensors[0] if tensors else None


def _masked(value: Tensor, mask: Tensor) -> Tensor:
    """Zeros, never negative ones, where nothing is kept."""
    return torch.where(mask, value, torch.zeros((), dtype=value.dtype))


def _spelled(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
