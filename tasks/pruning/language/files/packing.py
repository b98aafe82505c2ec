"""Packed weights: of a pruned tensor only kept values and their places (`load_packed`).

Places take the smallest of three forms. Half of a matrix, kept anywhere, needs one bit per weight,
and no form can do with less. Two of four have 6 choices per group, so that three groups go into a
byte: 2/3 of a bit per weight. At 80 % and more, distances between kept weights as half bytes or
bytes need less than a bit: 0.5 at 90 %, where the entropy is 0.47.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tasks.pruning.language.files import load_packed
from tasks.pruning.language.files.edits import Edits
from tasks.pruning.language.files.load_packed import PACKED, choices_of, word_of
from tasks.pruning.language.files.mask_files import ENTRY, open_packed, pack_bits
from tasks.pruning.language.files.tensor_files import (
    DTYPES,
    header_of,
    tensor_bytes,
    write_tensors,
)
from tasks.records import InputError

__all__ = ["load_packed_model", "pack_mask", "unpack", "write_packed"]

LOADER = "load_packed.py"
_GROUPS = (2, 4, 8, 16)
Form = tuple[dict[str, Any], Callable[[], Tensor]]
_FEW = 0.35
"""Share of kept weights above which distances cannot need less than a bit each."""


def pack_mask(mask: Tensor) -> tuple[dict[str, Any], Tensor]:
    """Bytes of a mask in the smallest form, and what `load_packed.read_mask` has to know of it."""
    mask = mask.cpu()
    size, (about, build) = min(_forms(mask), key=lambda each: each[0])
    data = build()
    assert data.numel() == size
    return {"shape": list(mask.shape), **about}, data


def _forms(mask: Tensor) -> Iterator[tuple[int, Form]]:
    """Forms that a mask may take, each with its number of bytes."""
    yield -(-mask.numel() // 8), ({"form": "bits"}, partial(pack_bits, mask))
    if int(mask.sum()) < _FEW * mask.numel():
        places = mask.reshape(-1).nonzero().view(-1)
        gaps = places.diff(prepend=torch.tensor([-1])) - 1
        for bits in (4, 8):
            number = len(gaps) + int((gaps // ((1 << bits) - 1)).sum())
            about = {"form": "gaps", "bits": bits}
            yield -(-number * bits // 8), (about, partial(_gaps, gaps, bits))
    if found := _pattern(mask):
        about = {"form": "groups", **found}
        kept, group = found["kept"], found["group"]
        groups = (mask if found["axis"] else mask.T).reshape(-1, group)
        size, number = word_of(kept, group)
        yield -(-len(groups) // number) * size, (about, partial(_words, groups, kept, group))


def _gaps(gaps: Tensor, bits: int) -> Tensor:
    """How many weights are left out before each kept one, as half bytes or bytes."""
    most = (1 << bits) - 1
    written = torch.full((len(gaps) + int((gaps // most).sum()),), most, dtype=torch.uint8)
    written[(gaps // most + 1).cumsum(0) - 1] = (gaps % most).to(torch.uint8)
    if bits == 8:
        return written
    halves = torch.nn.functional.pad(written, (0, len(written) % 2), value=most)
    return halves[::2] | halves[1::2] << 4


def _pattern(mask: Tensor) -> dict[str, int] | None:
    """n, m and axis of the finest pattern n:m along inputs or outputs, if the mask has one."""
    for group, axis in product(_GROUPS, (1, 0) if mask.ndim == 2 and mask.numel() else ()):
        along = mask if axis else mask.T
        if along.shape[1] % group:
            continue
        kept = int(along[0, :group].sum())
        # The first row tells almost always.
        if 0 < kept < group and all(_has(kept, group, rows) for rows in (along[:1], along)):
            return {"kept": kept, "group": group, "axis": axis}
    return None


def _has(kept: int, group: int, rows: Tensor) -> bool:
    return bool((rows.reshape(-1, group).sum(dim=1) == kept).all())


def _words(groups: Tensor, kept: int, group: int) -> Tensor:
    """Numbers of the choices, so many to a word as fit."""
    powers = 1 << torch.arange(group)
    choices = choices_of(kept, group)
    rank_of = torch.zeros(1 << group, dtype=torch.int64)
    rank_of[(choices * powers).sum(dim=1)] = torch.arange(len(choices))
    ranks = rank_of[(groups * powers).sum(dim=1)]
    size, number = word_of(kept, group)
    ranks = torch.nn.functional.pad(ranks, (0, -len(ranks) % number)).view(-1, number)
    words = (ranks * torch.tensor([len(choices) ** i for i in range(number)])).sum(dim=1)
    return (words[:, None] >> torch.arange(0, 8 * size, 8) & 255).to(torch.uint8).view(-1)


# --- folders ------------------------------------------------------------------------------------


def write_packed(folder: Path, edits: Edits) -> dict[str, str]:
    """Write the packed weights and their loader; SHA-256 by name of the file.

    Masks are read twice: the header, which comes first, tells of their sizes.

    Raises
    ------
    InputError
        For weights or masks that do not fit (`Edits`).
    """
    stored = edits.source.layout
    same = _repeated(edits)
    is_whole = {k: edits.mask(k) is None for k in stored if k not in same}
    about: dict[str, Any] = {
        "format": 1,
        "tensors": {k: None for k, whole in is_whole.items() if not whole},
        "same": same,
        "files": {
            file.path.name: {"keys": list(file.entries), "metadata": dict(file.metadata)}
            for file in edits.source.files
        },
        "index": _index(edits),
        "names": _names(edits),
    }
    layout = {k: stored[k] for k, whole in is_whole.items() if whole}
    for key in about["tensors"]:
        mask = edits.mask(key)
        assert mask is not None
        about["tensors"][key], data = pack_mask(mask)
        layout[f"{key}.kept"] = stored[key][0], (int(mask.sum()),)
        layout[f"{key}.mask"] = "U8", (data.numel(),)
    unknown = next((k for k, (dtype, _) in layout.items() if dtype not in DTYPES), None)
    if unknown:
        raise InputError(f"{unknown} holds {layout[unknown][0]}, which cannot be packed")
    ordered = sorted(layout, key=lambda k: -DTYPES[layout[k][0]].itemsize)
    metadata = {ENTRY: json.dumps(about, separators=(",", ":"))}
    header = header_of({k: layout[k] for k in ordered}, metadata)
    loader = Path(load_packed.__file__).read_bytes()
    return {
        PACKED: write_tensors(folder / PACKED, header, _data(edits, ordered, about["tensors"])),
        LOADER: write_tensors(folder / LOADER, b"", [loader]),
    }


def _names(edits: Edits) -> dict[str, str]:
    """Parameters that have masks, by the key of their weights where that is another word."""
    groups = edits.naming.names.items()
    masked = {key: next((n for n in names if n in edits.masks), key) for key, names in groups}
    return {key: name for key, name in masked.items() if key != name}


def _repeated(edits: Edits) -> dict[str, str]:
    """Of tied tensors that are stored more than once: key -> the key that holds the same."""
    first: dict[tuple[str, ...], str] = {}
    same = {}
    for key, names in edits.naming.names.items():
        if first.setdefault(names, key) != key:
            _check_tied(edits, key, first[names])
            same[key] = first[names]
    return same


def _check_tied(edits: Edits, key: str, other: str) -> None:
    one, two = ((edits.tensor(k), edits.source.read(k)) for k in (key, other))
    if not torch.equal(*(old if new is None else new for new, old in (one, two))):
        raise InputError(f"{key} and {other} are tied, but the source stores different numbers")


def _index(edits: Edits) -> str:
    """Text of the list of shards; empty without shards."""
    index = edits.source.index
    return index.read_bytes().decode() if index else ""


def _data(edits: Edits, ordered: list[str], packed: dict[str, Any]) -> Iterator[memoryview | bytes]:
    """The bytes of the file in order, one tensor in memory at a time."""
    for name in ordered:
        key, _, part = name.rpartition(".")
        if key not in packed or part not in ("kept", "mask"):
            value = edits.tensor(name)
            chunks = edits.source.places[name].chunks(name)
            yield from chunks if value is None else [tensor_bytes(value)]
            continue
        mask = edits.mask(key)
        assert mask is not None
        if part == "mask":
            yield tensor_bytes(pack_mask(mask)[1])
        else:
            value = edits.tensor(key)
            assert value is not None
            yield tensor_bytes(value[mask])


def unpack(folder: Path) -> dict[str, Tensor]:
    """State dict of a compressed folder, by keys of the plain one.

    Raises
    ------
    InputError
        Without packed weights.
    """
    open_packed(folder)
    return load_packed.unpack(folder)


def load_packed_model(folder: Path, **options: Any) -> Any:
    """Model of transformers, with equal bits as `from_pretrained` of the plain folder.

    Raises
    ------
    InputError
        Without packed weights, or without transformers.
    """
    try:
        import transformers  # noqa: F401
    except ImportError as error:
        raise InputError(
            "language models need the extra language: pip install 'latticework[language]'"
        ) from error
    open_packed(folder)
    return load_packed.load(folder, **options)
