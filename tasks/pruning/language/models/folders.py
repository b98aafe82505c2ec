"""Folders of Hugging Face: a config, tensors in files, a tokenizer.

Names are those of ``state_dict()`` of ``transformers.AutoModelForCausalLM``.  Files may lack the
prefix of the body (``transformer.`` of GPT-2, ``model.`` of OPT), or hold a tied matrix once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tasks.pruning.language.models.gguf import converted, find_gguf
from tasks.pruning.language.models.library import LOCAL, quiet, transformers
from tasks.pruning.language.models.places import (
    INDEX,
    TensorPlace,
    read_places,
    stored_places,
)
from tasks.pruning.language.models.skeletons import tied_names
from tasks.pruning.language.models.structure import described
from tasks.records import InputError

__all__ = ["MASKS", "ModelFolder"]

CONFIG, MASKS = "config.json", "pruning/masks.safetensors"
_TOKENIZER = ("tokenizer.json", "vocab.json", "tokenizer.model", "vocab.txt", "spiece.model")
_TOKENIZER_REST = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
                   "merges.txt", "chat_template.jinja")  # fmt: skip
_KINDS = ("ForCausalLM", "LMHeadModel", "Model")
_CHUNK = 1 << 22


@dataclass(frozen=True, eq=False)
class ModelFolder:
    """A causal language model on disk.

    Attributes
    ----------
    path : Path
    config : transformers.PreTrainedConfig
    places : mapping of TensorPlace
        Name in ``state_dict()`` -> where its tensor is stored; tied names share a place.
    stored : mapping of TensorPlace
        Everything in the files, by its name there, whether the model uses it or not.
    """

    path: Path
    config: Any
    places: Mapping[str, TensorPlace]
    stored: Mapping[str, TensorPlace]

    @classmethod
    def open(cls, path: str | Path) -> ModelFolder:
        """Look at a folder; no tensor is read.

        Parameters
        ----------
        path : path
            The folder; or a file of GGUF, or a folder with one and no config, which is converted
            once and kept (`gguf.converted`).

        Raises
        ------
        InputError
            If the folder, its config or its weights are missing, damaged or of another
            shape, or the structure is not that of a decoder.
        """
        folder = Path(path).expanduser()
        packed = find_gguf(folder)
        folder = converted(packed) if packed else folder
        config = read_config(folder)
        _refuse_encoder(folder, config)
        _refuse_quantized(folder, config)
        model = described(config).skeleton
        stored = stored_places(folder)
        places = _placed(folder, model, stored)
        if any(_differ(folder, names, places) for names in tied_names(model)):
            config.tie_word_embeddings = False
        return cls(folder, config, places, stored)

    @property
    def files(self) -> list[Path]:
        """What the digest is made of: config, weights, tokenizer, masks."""
        weights = {place.file for place in self.stored.values()}
        names = {CONFIG, INDEX, MASKS, *weights, *_TOKENIZER, *_TOKENIZER_REST}
        return [self.path / name for name in sorted(names) if (self.path / name).is_file()]

    def read(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Tensors by name, as they are stored, mapped from the files.

        Raises
        ------
        InputError
            For a name that the model does not have.
        """
        wanted = list(names)
        unknown = [name for name in wanted if name not in self.places]
        if unknown:
            raise InputError(f"the model of {self.path} has no tensor {unknown[0]}")
        return read_places(self.path, {name: self.places[name] for name in wanted})

    def digest(self) -> str:
        """SHA-256 of names and bytes of the files, 64 hex digits; every byte is read."""
        total = hashlib.sha256()
        for file in self.files:
            total.update(f"{file.name}|{file.stat().st_size}|".encode())
            with file.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    total.update(chunk)
        return total.hexdigest()

    def tokenizer(self) -> Any:
        """The folder's fast tokenizer.

        Raises
        ------
        InputError
            If the folder has none.
        """
        if not any((self.path / name).is_file() for name in _TOKENIZER):
            raise InputError(f"model folder {self.path} has no tokenizer: wanted is tokenizer.json")
        library = transformers("a tokenizer")
        try:
            with quiet():
                found = library.AutoTokenizer.from_pretrained(self.path, use_fast=True, **LOCAL)
        except Exception as error:  # The library raises plain ones, too.
            raise InputError(
                f"model folder {self.path}: its tokenizer cannot be read: {_line(error)}"
            ) from error
        return found


def read_config(folder: Path) -> Any:
    """The config of a folder.

    Raises
    ------
    InputError
        If folder or config are missing, or the library does not know what it describes.
    """
    library = transformers(f"model folder {folder}")
    if not folder.is_dir():
        raise InputError(
            f"model folder {folder} does not exist; give a folder with {CONFIG} and *.safetensors, "
            "or a file *.gguf"
        )
    if not (folder / CONFIG).is_file():
        raise InputError(f"model folder {folder} has no {CONFIG}: it is not a saved model")
    from huggingface_hub.errors import StrictDataclassError

    try:
        json.loads((folder / CONFIG).read_text())
        with quiet():
            return library.AutoConfig.from_pretrained(folder, **LOCAL)
    except (OSError, ValueError, KeyError, TypeError, StrictDataclassError) as error:
        raise InputError(
            f"model folder {folder}: {CONFIG} cannot be used: {_line(error)}"
        ) from error


def _refuse_encoder(folder: Path, config: Any) -> None:
    """Refuse weights that were saved from a model of another kind; bodies without head may do."""
    saved = list(config.architectures or ())
    others = [name for name in saved if not name.endswith(_KINDS)]
    if others or getattr(config, "is_encoder_decoder", False):
        raise InputError(
            f"model folder {folder} holds {', '.join(saved) or config.model_type}; looked for a "
            "decoder that predicts the next token, such as LlamaForCausalLM or GPT2LMHeadModel"
        )


def _refuse_quantized(folder: Path, config: Any) -> None:
    method = getattr(config, "quantization_config", None)
    if method:
        raise InputError(
            f"model folder {folder} is quantized ({dict(method).get('quant_method', 'unknown')}); "
            "give the model in float32, bfloat16 or float16"
        )


def _placed(
    folder: Path, model: nn.Module, stored: Mapping[str, TensorPlace]
) -> dict[str, TensorPlace]:
    """Place of every tensor of the model."""
    wanted = model.state_dict()
    places = {name: stored[key] for name, key in _keys(model, stored).items()}
    for names in tied_names(model):
        first = next((places[name] for name in names if name in places), None)
        places |= {name: first for name in names if name not in places and first}
    for name, tensor in wanted.items():
        _check_place(folder, name, tensor, places.get(name))
    return {name: places[name] for name in wanted}


def _keys(model: nn.Module, keys: Iterable[str]) -> dict[str, str]:
    """Names of the model's tensors -> their names in files, as the library reads them."""
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightRenaming, rename_source_key

    wanted, prefix = model.state_dict(), model.base_model_prefix
    renamings = [x for x in get_model_conversion_mapping(model) if isinstance(x, WeightRenaming)]
    found = {}
    for key in keys:
        name, _ = rename_source_key(key, renamings, [], prefix, wanted)
        if name not in wanted and key in wanted:
            name, _ = rename_source_key(key, [], [], prefix, wanted)
        if name in wanted:
            found[name] = key
    return found


def _check_place(folder: Path, name: str, wanted: Tensor, place: TensorPlace | None) -> None:
    if place is None:
        raise InputError(
            f"model folder {folder} lacks the tensor {name}, which {CONFIG} asks for; "
            "its files are incomplete or belong to another config"
        )
    if place.shape != tuple(wanted.shape):
        raise InputError(
            f"model folder {folder}: {name} has the shape {list(place.shape)}, {CONFIG} asks for "
            f"{list(wanted.shape)}; the files belong to another config"
        )


def _differ(folder: Path, names: list[str], places: Mapping[str, TensorPlace]) -> bool:
    """Whether tensors that the config ties are stored with different values."""
    if len({places[name] for name in names}) == 1:
        return False
    tensors = read_places(folder, {name: places[name] for name in names})
    return any(not torch.equal(tensors[names[0]], tensors[name]) for name in names[1:])


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
