"""A written folder, judged from files alone: is it its source but for weights, with these zeros?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from tasks.pruning.language.files.edits import Naming
from tasks.pruning.language.files.load_packed import PACKED, PackedWeights
from tasks.pruning.language.files.mask_files import open_packed, read_masks
from tasks.pruning.language.files.tensor_files import DTYPES, WeightFiles
from tasks.pruning.language.files.writing import ABOUT, copied_files
from tasks.pruning.language.layers.patterns import Pattern
from tasks.records import InputError

__all__ = ["check_folder"]

Patterns = Pattern | Mapping[str, Pattern]


def check_folder(
    folder: Path,
    source: Path,
    *,
    pattern: Patterns | None = None,
    transposed: Collection[str] = (),
    keys: Mapping[str, str] | None = None,
    tied: Mapping[str, str] | None = None,
) -> list[str]:
    """Why a folder, compressed or not, is not what it should be; empty if it is.

    Names, shapes, kinds of numbers, shards, config and tokenizer have to be those of the source;
    weights finite, and zero (never a negative zero) outside their masks; masks of the pattern, to
    the weight; counts and digests those of ``pruning.json``.

    Parameters
    ----------
    folder, source : Path
    pattern : Pattern or mapping of Pattern, optional
        Of all masks, or by name of the parameter; groups lie along the inputs.
    transposed : collection of str
        Parameters that are stored as (inputs, outputs).
    keys, tied : mapping of str, optional
        As for `write_folder`; by default keys are those that ``pruning.json`` tells.
    """
    folder, source = Path(folder), Path(source)
    try:
        about = _about(folder)
        original = WeightFiles.open(source)
        written = _Written.open(folder)
        masks = read_masks(folder) if about["layers"] else {}
        copied = copied_files(source)
    except InputError as error:
        return [str(error)]
    naming = Naming.of(original.places.keys(), keys or about["keys"], tied)
    reasons = [*_same_bytes(folder, copied), *_digests(folder, about["files"])]
    if reasons or (reasons := list(_same_layout(written, original))):
        return reasons
    for name in masks.keys() | about["layers"].keys():
        reasons += _mask_reasons(name, masks, about["layers"], naming, original)
    return reasons or [
        *_pattern_reasons(masks, pattern, frozenset(transposed)),
        *_weight_reasons(written, original, naming, masks),
    ]


def _about(folder: Path) -> dict[str, Any]:
    """Content of ``pruning.json``."""
    try:
        about = json.loads((folder / ABOUT).read_bytes())
        return {name: about[name] | {} for name in ("layers", "keys", "files")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{ABOUT} cannot be read: {error!r}") from error


class _Written:
    """The weights of a folder, plain or packed: kinds and shapes by file, and numbers."""

    def __init__(self, weights: WeightFiles | PackedWeights, files: dict[str, set[str]]) -> None:
        self.weights, self.files = weights, files

    @classmethod
    def open(cls, folder: Path) -> _Written:
        if (folder / PACKED).is_file():
            packed = open_packed(folder)
            files = packed.about["files"].items()
            return cls(packed, {name: set(file["keys"]) for name, file in files})
        plain = WeightFiles.open(folder)
        return cls(plain, {file.path.name: set(file.entries) for file in plain.files})

    def read(self, key: str) -> Tensor:
        try:
            return self.weights.read(key)
        except (ValueError, KeyError, RuntimeError) as error:
            raise InputError(f"{key} cannot be read: {error}") from error


def _same_bytes(folder: Path, copied: Mapping[str, Path]) -> Iterator[str]:
    """Files that are not those of the source."""
    for name, path in copied.items():
        if not (folder / name).is_file():
            yield f"{name} of the source is missing"
        elif _sha256(folder / name) != _sha256(path):
            yield f"{name} differs from that of the source"


def _digests(folder: Path, files: Mapping[str, str]) -> Iterator[str]:
    """Files that are not what they were when they were written."""
    for name, digest in files.items():
        if not (folder / name).is_file():
            yield f"{name} is missing"
        elif _sha256(folder / name) != digest:
            yield f"{name} has other bytes than {ABOUT} says"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _same_layout(written: _Written, source: WeightFiles) -> Iterator[str]:
    """Tensors that are not where, or what, they are in the source."""
    files = {file.path.name: set(file.entries) for file in source.files}
    for name in sorted(files.keys() | written.files.keys()):
        there, here = written.files.get(name, set()), files.get(name, set())
        yield from (f"{name} has {key}, which the source does not" for key in sorted(there - here))
        yield from (f"{name} lacks {key} of the source" for key in sorted(here - there))
    if isinstance(written.weights, WeightFiles):
        for key, expected in source.layout.items():
            found = written.weights.layout.get(key, expected)
            if found != expected:
                yield f"{key} is {found[0]} {found[1]}, in the source {expected[0]} {expected[1]}"


def _mask_reasons(
    name: str,
    masks: Mapping[str, Tensor],
    layers: Mapping[str, Any],
    naming: Naming,
    source: WeightFiles,
) -> Iterator[str]:
    """What is wrong with a mask."""
    if name not in masks or name not in layers:
        yield f"mask of {name} stands in {ABOUT} or in its file, not in both"
    elif name not in naming.parameters:
        yield f"mask of {name}, which the source does not have"
    elif masks[name].shape != source.layout[naming.parameters[name]][1]:
        yield f"mask of {name} has another shape than its weights"
    elif layers[name] != _counts(masks[name]):
        yield f"mask of {name} keeps {int(masks[name].sum())}, {ABOUT} says {layers[name]}"


def _counts(mask: Tensor) -> dict[str, int]:
    return {"weights": mask.numel(), "kept": int(mask.sum())}


def _pattern_reasons(
    masks: Mapping[str, Tensor], pattern: Patterns | None, transposed: Collection[str]
) -> Iterator[str]:
    """Masks that do not have their pattern."""
    for name in masks if pattern is not None else ():
        wanted = pattern if isinstance(pattern, Pattern) else (pattern or {}).get(name)
        mask = masks[name].T if name in transposed else masks[name]
        if wanted is None:
            yield f"mask of {name}: no pattern is given for it"
        elif wanted.group and mask.shape[1] % wanted.group:
            yield f"mask of {name}: {wanted.group} does not divide its {mask.shape[1]} inputs"
        elif not wanted.fits(mask):
            yield f"mask of {name} is not {wanted}"


def _weight_reasons(
    written: _Written, source: WeightFiles, naming: Naming, masks: Mapping[str, Tensor]
) -> Iterator[str]:
    """Tensors whose numbers are wrong."""
    for key in (key for key, (dtype, _) in source.layout.items() if dtype in DTYPES):
        try:
            value, original = written.read(key), source.read(key)
        except InputError as error:
            yield str(error)
            continue
        if (value.shape, value.dtype) != (original.shape, original.dtype):
            yield f"{key} is {value.dtype} {list(value.shape)}, which the source's is not"
            continue
        names = [name for name in naming.names[key] if name in masks]
        yield from _number_reasons(key, value, [masks[name] for name in names])
        if not bool(value.isfinite().all()) and bool(original.isfinite().all()):
            yield f"{key} has weights that are not finite"


def _number_reasons(key: str, value: Tensor, masks: list[Tensor]) -> Iterator[str]:
    """Weights that are not zero outside the mask."""
    for mask in masks:
        outside = value[~mask]
        count = int(((outside != 0) | outside.signbit()).count_nonzero())
        if count:
            yield f"{key} has {count} weights outside its mask that are not zero"
