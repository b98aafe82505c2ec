"""Adapters of low rank in the files of peft, read and written without it.

A folder holds ``adapter_config.json`` and ``adapter_model.safetensors``. For a module of the base
model with weights W (outputs, inputs) the file has A = ``base_model.model.MODULE.lora_A.weight``
(rank, inputs) and B = ``...lora_B.weight`` (outputs, rank); the module computes with W + c B A,
where c = alpha / rank, or alpha / sqrt(rank) if ``use_rslora`` is set. Under a mask M we merge

    W + c M * (B A)

so that no zero is lost; peft itself knows no masks.

References
----------
Hu et al., LoRA, arXiv:2106.09685, Eq. (3). Kalajdzievski, rsLoRA, arXiv:2312.03732.
Zimmer et al., PERP, arXiv:2312.15230, Section 3.2 (LoRA-Prune, MaskLoRA).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tasks.pruning.language.files.lora_config import (
    CONFIG,
    PREFIX,
    WEIGHTS,
    read_config,
    scale_of,
    sorted_keys,
)
from tasks.pruning.language.files.tensor_files import (
    NAMES,
    TensorFile,
    header_of,
    tensor_bytes,
    write_tensors,
)
from tasks.pruning.language.files.writing import check_target, whole_folder
from tasks.records import InputError
from tasks.records.errors import abridged

__all__ = ["Factors", "LoraFile", "merge", "write_lora"]


@dataclass(frozen=True, eq=False)
class Factors:
    """A (rank, inputs) and B (outputs, rank) of one layer."""

    a: Tensor
    b: Tensor

    @property
    def rank(self) -> int:
        """Columns of B."""
        return self.a.shape[0]


@dataclass(frozen=True, eq=False)
class LoraFile:
    """An adapter, of which only names and shapes are in memory.

    Attributes
    ----------
    folder : Path
    factors : mapping of tuple of str
        By name of the weights (``MODULE.weight``), the keys of A and B.
    scales : mapping of float
        c, by the same names.
    replaced : mapping of str
        Parameters that are stored whole (``bias``, ``modules_to_save``), and their keys.
    transposed : collection of str
        Weights that are stored as (inputs, outputs).
    """

    folder: Path
    file: TensorFile
    factors: Mapping[str, tuple[str, str]]
    scales: Mapping[str, float]
    replaced: Mapping[str, str]
    transposed: Collection[str] = field(default=frozenset())

    @classmethod
    def open(cls, folder: str | Path, transposed: Collection[str] | None = None) -> LoraFile:
        """Read the config and the header.

        Parameters
        ----------
        folder : str or Path
        transposed : collection of str, optional
            Weights that the base model stores as (inputs, outputs), as GPT-2 does; by default
            what ``fan_in_fan_out`` says, for all of them.

        Raises
        ------
        InputError
            Without these files, and for adapters that weights alone cannot express; the message
            names the entry.
        """
        folder = Path(folder)
        config = read_config(folder)
        file = TensorFile.open(folder / WEIGHTS)
        factors, replaced = sorted_keys(file, config)
        scales = {name: scale_of(config, name, file, keys) for name, keys in factors.items()}
        if transposed is None:
            transposed = frozenset(factors if config.get("fan_in_fan_out") else ())
        return cls(folder, file, factors, scales, replaced, transposed)

    def check(
        self, shapes: Mapping[str, tuple[int, ...]], tied: Mapping[str, str] | None = None
    ) -> None:
        """Refuse an adapter of another model, and one that would change tied weights.

        Parameters
        ----------
        shapes : mapping of tuple
            Of the stored weights, by name of the parameter.
        tied : mapping of str, optional
            Parameter -> the parameter with which it shares its weights.

        Raises
        ------
        InputError
            Naming the first weights that do not fit.
        """
        where = abridged(str(self.folder))
        for name in (*self.factors, *self.replaced):
            if name not in shapes:
                raise InputError(
                    f"adapter {where} changes {name}, which the model does not have: it is an "
                    "adapter of another model"
                )
            if tied and (name in tied or name in tied.values()):
                raise InputError(
                    f"adapter {where} changes {name}, which the model ties to other weights; they "
                    "would change too"
                )
            found, wanted = self.shape(name), tuple(shapes[name])
            if found != wanted:
                raise InputError(
                    f"adapter {where} is of another model: {name} would be {list(found)}, "
                    f"in the model it is {list(wanted)}"
                )

    def shape(self, name: str) -> tuple[int, ...]:
        """Of the stored weights that an adapter belongs to."""
        if name in self.replaced:
            return self.file.entries[self.replaced[name]].shape
        a, b = (self.file.entries[key].shape for key in self.factors[name])
        return (a[1], b[0]) if name in self.transposed else (b[0], a[1])

    def delta(self, name: str) -> Tensor:
        """c B A in float32, in the shape of the stored weights.

        Raises
        ------
        InputError
            If numbers are not finite.
        """
        a, b = (self.file.read(key).float() for key in self.factors[name])
        delta = self.scales[name] * (b @ a)
        if not bool(delta.isfinite().all()):
            raise InputError(f"adapter {abridged(str(self.folder))}: {name} is not finite")
        return delta.T.contiguous() if name in self.transposed else delta

    def replacement(self, name: str) -> Tensor:
        """A parameter that is stored whole."""
        return self.file.read(self.replaced[name])


def merge(weight: Tensor, delta: Tensor, mask: Tensor | None = None) -> Tensor:
    """W + M * delta, in the kind of number of W; where nothing is kept W stays as it is.

    Parameters
    ----------
    weight : Tensor
        Any kind of floating-point number.
    delta : Tensor
        Of the same shape; the sum is computed in float32 (float64 for such weights).
    mask : bool Tensor, optional
        Of the same shape; all weights by default.

    Raises
    ------
    InputError
        If a sum is not a finite number of this kind.
    """
    exact = torch.promote_types(weight.dtype, torch.float32)
    total = (weight.to(exact) + delta.to(exact)).to(weight.dtype)
    merged = total if mask is None else torch.where(mask, total, weight)
    if not bool((merged.isfinite() | ~weight.isfinite()).all()):
        raise InputError(f"merged weights are not finite numbers of kind {weight.dtype}")
    return merged


# --- writing ------------------------------------------------------------------------------------


def write_lora(
    to: str | Path,
    factors: Mapping[str, Factors],
    *,
    alpha: float,
    use_rslora: bool = False,
    transposed: Collection[str] = (),
    base_model: str = "",
) -> list[Path]:
    """Write a folder that peft loads, whole or not at all; the paths of its files.

    peft adds c B A without a mask: on a pruned model its zeros would be lost. Bring the trained
    adapter back and `merge` it under the mask.

    Parameters
    ----------
    to : str or Path
        New or empty.
    factors : mapping of Factors
        By name of the weights, ``MODULE.weight``.
    alpha : float
        Of all layers; c = alpha / rank (alpha / sqrt(rank)).
    transposed : collection of str
        Weights that the model stores as (inputs, outputs).
    base_model : str
        Name or place of the base model, for peft's automatic loading.

    Raises
    ------
    InputError
        Without factors, if their shapes do not fit each other, or if ``to`` is not empty.
    """
    to = Path(to)
    check_target(to)
    config = _written_config(factors, alpha, use_rslora, transposed, base_model)
    tensors = {
        f"{PREFIX}{name.removesuffix('.weight')}.lora_{part}.weight": tensor
        for name, each in sorted(factors.items())
        for part, tensor in (("A", each.a), ("B", each.b))
    }
    tensors = dict(sorted(tensors.items(), key=lambda each: -each[1].dtype.itemsize))
    layout = {key: (NAMES[t.dtype], tuple(t.shape)) for key, t in tensors.items()}
    with whole_folder(to) as folder:
        text = f"{json.dumps(config, indent=2)}\n".encode()
        write_tensors(folder / CONFIG, b"", [text])
        header = header_of(layout, {"format": "pt"})
        write_tensors(folder / WEIGHTS, header, map(tensor_bytes, tensors.values()))
    return [to / CONFIG, to / WEIGHTS]


def _written_config(
    factors: Mapping[str, Factors],
    alpha: float,
    use_rslora: bool,
    transposed: Collection[str],
    base_model: str,
) -> dict[str, Any]:
    """Content of ``adapter_config.json``."""
    for name, each in factors.items():
        if not name.endswith(".weight") or each.b.shape[1:] != each.a.shape[:1]:
            raise InputError(f"factors of {name}: A {list(each.a.shape)}, B {list(each.b.shape)}")
    ranks = {name.removesuffix(".weight"): each.rank for name, each in sorted(factors.items())}
    if not ranks:
        raise InputError("an adapter needs the factors of one layer at least")
    usual = max(set(ranks.values()), key=list(ranks.values()).count)
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_model,
        "inference_mode": True,
        "r": usual,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "use_rslora": use_rslora,
        "target_modules": list(ranks),
        "rank_pattern": {name: rank for name, rank in ranks.items() if rank != usual},
        "alpha_pattern": {},
        "fan_in_fan_out": any(name in transposed for name in factors),
        "bias": "none",
        "modules_to_save": None,
        "init_lora_weights": True,
    }
