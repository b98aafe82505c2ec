"""Read a language model whose pruned weights are packed: kept values, and where they lie.

This file stands alone: it needs torch, safetensors and, for `load`, transformers.

    from load_packed import load
    model = load("FOLDER")                      # a model of transformers

    python load_packed.py FOLDER --to PLAIN     # a plain folder: from_pretrained, vLLM, llama.cpp

``model.packed.safetensors`` holds tensors as they are, and of a pruned tensor K

    K.kept   its kept values, row by row
    K.mask   bytes that say where they lie, in one of three forms

bits     one bit per weight, bit i % 8 of byte i // 8 for weight i
groups   of every m weights n are kept: the number of the choice among all C(m, n) in their
         lexicographic order, so many of them to a word as fit, the first one the lowest digit
gaps     half bytes (low half first) or bytes: so many weights are left out before the next kept
         one; the largest number, 15 or 255, says that many are left out, not that one is kept

The metadata say, as JSON under ``latticework``, which tensor has which shape and form.
"""

import argparse
import json
import math
import shutil
import sys
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

__all__ = ["PACKED", "PackedWeights", "expand", "load", "unpack"]

PACKED = "model.packed.safetensors"
OURS = (PACKED, "load_packed.py", "pruning.json")
INDEX = "model.safetensors.index.json"


class PackedWeights:
    """The tensors of a compressed folder, each read when it is asked for.

    Attributes
    ----------
    about : dict
        ``tensors`` (shape and form of the mask of each packed one), ``same`` (key -> the key that
        holds the same), ``files`` (of the plain folder: keys and metadata), ``index`` (its text),
        ``names`` (key -> name of the parameter, where they differ).
    """

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder) / PACKED
        with safe_open(self.path, framework="pt") as file:
            self.about: dict[str, Any] = json.loads(file.metadata()["latticework"])
        if not {"tensors", "same", "files", "index", "names"} <= self.about.keys():
            raise ValueError(f"{self.path} does not say what is packed in it")

    def keys(self) -> list[str]:
        """Keys of all tensors of the plain folder."""
        return [key for file in self.about["files"].values() for key in file["keys"]]

    def mask(self, key: str) -> torch.Tensor | None:
        """Which weights are kept, bool in the shape of the tensor; None for one that is whole."""
        about = self.about["tensors"].get(self.about["same"].get(key, key))
        if about is None:
            return None
        with safe_open(self.path, framework="pt") as file:
            data = file.get_tensor(f"{self.about['same'].get(key, key)}.mask")
        return read_mask(about, data)

    def read(self, key: str) -> torch.Tensor:
        """One tensor, zeros where it is pruned."""
        key = self.about["same"].get(key, key)
        with safe_open(self.path, framework="pt") as file:
            if key not in self.about["tensors"]:
                return file.get_tensor(key)
            kept = file.get_tensor(f"{key}.kept")
        mask = self.mask(key)
        if mask is None or int(mask.sum()) != len(kept):
            raise ValueError(f"{self.path}: {key} has {len(kept)} kept values, but other bits")
        whole = torch.zeros(self.about["tensors"][key]["shape"], dtype=kept.dtype)
        return whole.masked_scatter_(mask, kept)

    @property
    def masks(self) -> Mapping[str, torch.Tensor]:
        """Masks by name of the parameter."""
        names = self.about["names"]
        return _Masks(self, {names.get(key, key): key for key in self.about["tensors"]})


class _Masks(Mapping[str, torch.Tensor]):
    """Masks that are read when they are asked for."""

    def __init__(self, weights: PackedWeights, keys: Mapping[str, str]) -> None:
        self.weights, self.keys_in_file = weights, keys

    def __getitem__(self, name: str) -> torch.Tensor:
        mask = self.weights.mask(self.keys_in_file[name])
        assert mask is not None
        return mask

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys_in_file)

    def __len__(self) -> int:
        return len(self.keys_in_file)


# --- forms of masks -----------------------------------------------------------------------------


def read_mask(about: Mapping[str, Any], data: torch.Tensor) -> torch.Tensor:
    """Mask of its bytes, in the shape and form that ``about`` says."""
    if about["form"] == "bits":
        return unpack_bits(data, about["shape"])
    if about["form"] == "gaps":
        return unpack_gaps(data, about["shape"], about["bits"])
    return unpack_groups(data, about["shape"], about["kept"], about["group"], about["axis"])


def unpack_bits(data: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Mask of one bit per weight."""
    bits = data[:, None] >> torch.arange(8, dtype=torch.uint8) & 1
    return bits.view(-1)[: math.prod(shape)].bool().reshape(tuple(shape))


def unpack_gaps(data: torch.Tensor, shape: tuple[int, ...], bits: int) -> torch.Tensor:
    """Mask of how many weights are left out before each kept one."""
    gaps = data if bits == 8 else torch.stack([data & 15, data >> 4], dim=1).view(-1)
    is_kept = gaps < (1 << bits) - 1
    ends = (gaps.long() + is_kept).cumsum(0)
    mask = torch.zeros(math.prod(shape), dtype=torch.bool)
    mask[ends[is_kept] - 1] = True
    return mask.reshape(tuple(shape))


def word_of(kept: int, group: int) -> tuple[int, int]:
    """Bytes of a word (1, 2 or 4), and choices in it: as many as possible per byte."""
    base, best = math.comb(group, kept), (4, 0)
    for size in (4, 2, 1):
        number = max(i for i in range(8 * size + 1) if base**i <= 256**size)
        if number * best[0] >= best[1] * size:
            best = size, number
    return best


def choices_of(kept: int, group: int) -> torch.Tensor:
    """All masks of n of m, bool (C(m, n), m), in their lexicographic order."""
    chosen = torch.tensor(list(combinations(range(group), kept)))
    return torch.zeros(len(chosen), group, dtype=torch.bool).scatter_(1, chosen, True)


def unpack_groups(
    data: torch.Tensor, shape: tuple[int, ...], kept: int, group: int, axis: int
) -> torch.Tensor:
    """Mask of choices of n of m weights that follow each other along an axis."""
    (size, number), base = word_of(kept, group), math.comb(group, kept)
    words = (data.view(-1, size).long() << torch.arange(0, 8 * size, 8)).sum(dim=1)
    digits = torch.stack([words // base**i % base for i in range(number)], dim=1).view(-1)
    digits = digits[: math.prod(shape) // group]
    along = (shape[0], shape[1]) if axis else (shape[1], shape[0])
    mask = choices_of(kept, group)[digits].reshape(along)
    return mask if axis else mask.T.contiguous()


# --- folders ------------------------------------------------------------------------------------


def unpack(folder: str | Path) -> dict[str, torch.Tensor]:
    """All tensors of the plain folder, by their keys there; tied ones share their memory."""
    weights = PackedWeights(folder)
    same = weights.about["same"]
    state = {key: weights.read(key) for key in weights.keys() if key not in same}  # noqa: SIM118
    return state | {key: state[other] for key, other in same.items()}


def load(folder: str | Path, **options: Any) -> Any:
    """Model of transformers with equal bits as the plain folder would give.

    Parameters
    ----------
    folder : str or Path
    **options
        Of ``from_pretrained``; ``dtype="auto"`` (that of the files) by default.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    with torch.device("meta"):
        kind = type(AutoModelForCausalLM.from_config(config))
    options = {"dtype": "auto", **options}
    model = kind.from_pretrained(None, config=config, state_dict=unpack(folder), **options)
    if (Path(folder) / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(folder, local_files_only=True)
    return model


def expand(folder: str | Path, to: str | Path) -> list[Path]:
    """Write the plain folder, one of its files in memory at a time; paths of its weights."""
    to, weights = Path(to), PackedWeights(folder)
    if to.exists() and any(to.iterdir()):
        raise FileExistsError(f"{to} is not empty: give a new folder")
    partial = to.with_name(f".{to.name}.partial")
    ignored = shutil.ignore_patterns(*OURS)
    shutil.copytree(folder, partial, ignore=ignored, dirs_exist_ok=True)
    for name, file in weights.about["files"].items():
        tensors = {key: weights.read(key) for key in file["keys"]}
        save_file(tensors, partial / name, file["metadata"])
    if weights.about["index"]:
        (partial / INDEX).write_text(weights.about["index"], encoding="utf-8")
    partial.replace(to)
    return [to / name for name in weights.about["files"]]


def main(arguments: list[str] | None = None) -> None:
    """Command line: a plain folder of a compressed one."""
    parser = argparse.ArgumentParser(description="Write a plain folder of a compressed model.")
    parser.add_argument("folder", help="with model.packed.safetensors")
    parser.add_argument("--to", required=True, help="folder that is new or empty")
    given = parser.parse_args(arguments)
    for path in expand(given.folder, given.to):
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
