"""A pruned model as a folder that everything loads which loads its source.

    config.json, tokenizer, ...      those of the source, byte for byte
    model*.safetensors, their index  names, shapes, kinds of numbers and shards of the source
    pruning/masks.safetensors        which weights are kept (`mask_files`)
    pruning.json                     where the model comes from, counts per layer, digests of files
    README.md                        how to load it; that of the source becomes README.source.md

A compressed folder has ``model.packed.safetensors`` and its loader in place of weights and masks.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from tasks.pruning.language.files.cards import model_card
from tasks.pruning.language.files.edits import Edits, Naming
from tasks.pruning.language.files.mask_files import MASKS, write_masks
from tasks.pruning.language.files.packing import write_packed
from tasks.pruning.language.files.tensor_files import (
    TensorFile,
    WeightFiles,
    tensor_bytes,
    write_tensors,
)
from tasks.records import InputError, StoreError
from tasks.records.errors import abridged
from tasks.records.version import RELEASE

__all__ = ["ABOUT", "CARD", "check_target", "copied_files", "whole_folder", "write_folder"]

ABOUT, CARD, SOURCE_CARD = "pruning.json", "README.md", "README.source.md"
_WEIGHTS = (
    ".safetensors", ".index.json", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".gguf",
    ".onnx", ".ot", ".npz",
)  # fmt: skip
_OURS = (ABOUT, CARD, SOURCE_CARD, "load_packed.py")
_TEMPLATES = "additional_chat_templates"


def write_folder(
    source: Path,
    to: Path,
    *,
    changed: Mapping[str, Tensor] | Callable[[str], Tensor | None],
    masks: Mapping[str, Tensor],
    provenance: Mapping[str, Any],
    compressed: bool = False,
    keys: Mapping[str, str] | None = None,
    tied: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write a folder, whole or not at all; the paths of its files.

    One tensor is in memory at a time, beside those that are given.

    Parameters
    ----------
    source : Path
        Hugging Face folder.
    to : Path
        New or empty.
    changed : mapping or callable
        New weights by name of the parameter; rounded to the kind of number of the source. Of all
        other parameters the source's weights are taken.
    masks : mapping of bool Tensor
        By name of the parameter, in the shape of the stored weight; zeros are written elsewhere.
    provenance : mapping
        For ``pruning.json``: digest of the source, pattern, criterion, method, code version.
    compressed : bool
        Kept values and bits in place of zeros.
    keys : mapping of str, optional
        Parameter -> key in the files, where they differ; tied parameters may have one key.
    tied : mapping of str, optional
        Parameter -> the parameter with which it shares its weights, where keys do not tell.

    Raises
    ------
    InputError
        If ``to`` is not empty, if the source lacks files, or for weights and masks that do not fit
        the source, are not finite, or not zero outside their mask.
    StoreError
        If the files cannot be written.
    """
    check_target(to)
    weights = WeightFiles.open(Path(source))
    copied = copied_files(Path(source))
    naming = Naming.of(weights.places.keys(), keys, tied)
    edits = Edits.of(weights, naming, changed, masks)
    with whole_folder(Path(to)) as folder:
        digests = {name: _copy(path, folder / name) for name, path in copied.items()}
        digests |= write_packed(folder, edits) if compressed else _write_plain(folder, edits)
        about = _about(edits, provenance, digests)
        card = model_card(about, copied.get(SOURCE_CARD), compressed=compressed)
        (folder / ABOUT).write_text(f"{json.dumps(about, indent=2)}\n", encoding="utf-8")
        (folder / CARD).write_text(card, encoding="utf-8")
    return sorted(Path(to) / name for name in (*digests, ABOUT, CARD))


def check_target(to: Path) -> None:
    """Refuse a place where a folder cannot be written.

    Raises
    ------
    InputError
        For a file, or a folder that is not empty.
    """
    to = Path(to)
    if to.is_dir() and any(to.iterdir()):
        raise InputError(f"{abridged(str(to))} is not empty; give a new folder")
    if (to.exists() or to.is_symlink()) and not to.is_dir():
        raise InputError(f"{abridged(str(to))} is a file; give a folder")


def copied_files(source: Path) -> dict[str, Path]:
    """What an export takes over: name there -> file of the source.

    All but weights, hidden files and what an export writes itself.

    Raises
    ------
    InputError
        Without ``config.json``.
    """
    if not (source / "config.json").is_file():
        raise InputError(f"{abridged(str(source))} has no config.json; give a Hugging Face folder")
    files = [*source.iterdir(), *(source / _TEMPLATES).glob("*.jinja")]
    found = {
        path.relative_to(source).as_posix(): path
        for path in sorted(files)
        if path.is_file() and not path.name.startswith(".")
    }
    found = {name: p for name, p in found.items() if not name.lower().endswith(_WEIGHTS)}
    cards = [name for name in (CARD, SOURCE_CARD) if name in found]
    is_ours = (source / ABOUT).is_file() and SOURCE_CARD in found
    card = {SOURCE_CARD: found[SOURCE_CARD if is_ours else cards[0]]} if cards else {}
    return {name: path for name, path in found.items() if name not in _OURS} | card


# --- files --------------------------------------------------------------------------------------


@contextmanager
def whole_folder(to: Path) -> Iterator[Path]:
    """A folder beside the wanted one that takes its place at the end, or is removed."""
    partial = to.absolute().parent / f".{to.name}.{uuid.uuid4().hex[:8]}"
    try:
        partial.mkdir(parents=True)
        yield partial
        partial.replace(to.absolute())
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(f"{abridged(str(to))} cannot be written: {reason}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _copy(path: Path, to: Path) -> str:
    to.parent.mkdir(exist_ok=True)
    with path.open("rb") as file:
        return write_tensors(to, b"", iter(lambda: file.read(1 << 20), b""))


def _write_plain(folder: Path, edits: Edits) -> dict[str, str]:
    """Write weights and masks; SHA-256 by name of the file."""
    digests = {}
    for file in edits.source.files:
        target = folder / file.path.name
        digests[target.name] = write_tensors(target, file.header, _data(edits, file))
    if index := edits.source.index:
        digests[index.name] = _copy(index, folder / index.name)
    if edits.masks:
        (folder / MASKS).parent.mkdir()
        digests[MASKS] = write_masks(folder / MASKS, edits.masks)
    return digests


def _data(edits: Edits, file: TensorFile) -> Iterator[memoryview | bytes]:
    """The data of a file in order."""
    for key in file.entries:
        value = edits.tensor(key)
        yield from file.chunks(key) if value is None else [tensor_bytes(value)]


def _about(
    edits: Edits, provenance: Mapping[str, Any], digests: Mapping[str, str]
) -> dict[str, Any]:
    """What ``pruning.json`` says."""
    layers = {}
    for name in edits.masks:
        mask = edits.masks[name]
        layers[name] = {"weights": mask.numel(), "kept": int(mask.sum())}
    weights, kept = (sum(each[what] for each in layers.values()) for what in ("weights", "kept"))
    stored = edits.source.layout.values()
    parameters = edits.naming.parameters
    return {
        "format": 1,
        "made by": f"latticework {RELEASE}",
        "provenance": dict(provenance),
        "parameters": {"all": sum(_numel(shape) for _, shape in stored), "pruned": weights - kept},
        "sparsity": 1 - kept / weights if weights else 0.0,
        "layers": layers,
        "keys": {name: parameters[name] for name in layers if parameters[name] != name},
        "files": dict(sorted(digests.items())),
    }


def _numel(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count
