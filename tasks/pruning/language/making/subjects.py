"""What the calls of `perp` work on: models in folders, tokens of texts, facts about both."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tasks.nn.data.documents import Documents, load_documents
from tasks.pruning.language.config import SMOLLM2, TINY, PerpConfig
from tasks.pruning.language.files.lora_config import CONFIG, WEIGHTS
from tasks.pruning.language.files.lora_files import LoraFile
from tasks.pruning.language.items import PerpItem
from tasks.pruning.language.models.folders import ModelFolder
from tasks.pruning.language.models.gguf import CONVERSION, installed_smollm2
from tasks.pruning.language.models.structure import described
from tasks.pruning.language.models.subsets import subset
from tasks.pruning.language.models.tiny import tiny_config
from tasks.pruning.language.texts.tokens import Tokens, calibration_windows, windows
from tasks.records import derive_seed
from tasks.records.volume import Volume

__all__ = [
    "FOLDERS",
    "Facts",
    "Subject",
    "adapter_digest",
    "given_folder",
    "model_facts",
    "origin_note",
    "text_digest",
    "text_of",
]

FOLDERS = "models"
"""Folder of the models that were trained here, within that of the run."""


@dataclass(frozen=True)
class Facts:
    """What planning has to know about a model.

    Attributes
    ----------
    digest : str
        Of the files of a given one.
    lacking : tuple of str
        Words of methods that it has no parameters for, or none that can be trained alone.
    """

    digest: str
    lacking: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Subject:
    """The dense model of an item, with its tokens.

    Attributes
    ----------
    config : PerpConfig
    folder : ModelFolder
    replicate : int
    """

    config: PerpConfig
    folder: ModelFolder
    replicate: int

    @classmethod
    def of(cls, item: PerpItem, run_folder: str) -> Subject:
        """Of an item whose dense model is there."""
        place = item.model
        if item.model in TINY:
            place = str(local_folder(run_folder, f"{FOLDERS}/{item.label}-{item.replicate}"))
        return cls(item.config, given_folder(place), item.replicate)

    def tokens(self, text: str = "") -> Tokens:
        """Tokens of a text; by default of that for training."""
        return _tokens(text or self.config.text, self.folder.path)

    def calibration(self) -> Tensor:
        """Sequences (N, T) to calibrate on."""
        config, part = self.config, self.tokens().calibration
        seed = derive_seed(config.seed, "calibration", self.replicate)
        return calibration_windows(part, config.context, config.calibration, seed)

    def evaluation(self, text: str) -> Tensor:
        """Sequences (N, T) to evaluate on, the first ones."""
        found = windows(self.tokens(text).evaluation, self.config.context)
        return found[: self.config.evaluation_sequences or None]


def given_folder(name: str) -> ModelFolder:
    """The folder of a model by name or place.

    Raises
    ------
    InputError
        If it is missing or damaged.
    """
    if name == SMOLLM2:
        return ModelFolder.open(installed_smollm2())
    return ModelFolder.open(name)


def model_facts(name: str) -> Facts:
    """Digest of a model, and what it lacks.

    Raises
    ------
    InputError
        If it is missing or damaged.
    """
    if name in TINY:
        return Facts("", _lacking(tiny_config(name)))
    folder = given_folder(name)
    return Facts(_digest(folder.path, _stamps(folder)), _lacking(folder.config))


def _lacking(config: Any) -> tuple[str, ...]:
    found = described(config)
    model = found.skeleton
    lacking = [word for word in ("biases", "norms") if not subset(model, word)]
    # Gemma's embedding scales what it reads from the matrix that it shares with the head.
    if found.structure.is_tied and type(model.get_input_embeddings()) is not nn.Embedding:
        lacking.append("head")
    return tuple(lacking)


def origin_note(folder: ModelFolder) -> str:
    """What a reader should know about where a model comes from."""
    path = folder.path / CONVERSION
    if not path.is_file():
        return ""
    origin = json.loads(path.read_text("utf-8"))
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(origin["types"].items()))
    dtype = origin["dtype"].removeprefix("torch.")
    return (
        f"made from {origin['source']} ({kinds}): its weights lie on the grid of these types, "
        f"rounded to {dtype}"
    )


# --- texts --------------------------------------------------------------------------------------


def adapter_digest(place: str) -> str:
    """SHA-256 of config and weights of a LoRA."""
    total = hashlib.sha256()
    LoraFile.open(place)  # refuses what is not one
    for path in (Path(place) / CONFIG, Path(place) / WEIGHTS):
        total.update(f"{path.name}|".encode() + path.read_bytes())
    return total.hexdigest()


def text_digest(place: str) -> str:
    """SHA-256 of the documents of a text, part by part."""
    return text_of(place).digest()


def text_of(place: str) -> Documents:
    """A text by name or place; read once per process as long as its files stay."""
    return _documents(place, _newest(place))


@lru_cache(maxsize=4)
def _documents(place: str, stamp: Sequence[Any]) -> Documents:
    del stamp
    return load_documents(place)


@lru_cache(maxsize=4)
def _read_tokens(place: str, stamp: Sequence[Any], folder: Path) -> Tokens:
    del stamp
    return Tokens.of(text_of(place), ModelFolder.open(folder).tokenizer())


def _tokens(place: str, folder: Path) -> Tokens:
    return _read_tokens(place, _newest(place), folder)


def _newest(place: str) -> tuple[Any, ...]:
    """What tells that files have changed since they were read."""
    path = Path(place)
    if not path.exists():
        return ()
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files)


# --- files --------------------------------------------------------------------------------------


def local_folder(run_folder: str, path: str) -> Path:
    """A folder of a run on this machine; of a run in an object store a copy, made once."""
    volume = Volume.open(run_folder)
    return Path(volume.location(path)) if volume.local else _copied(run_folder, path)


@cache
def _copied(run_folder: str, path: str) -> Path:
    volume = Volume.open(run_folder).below(path)
    to = Path(tempfile.mkdtemp(prefix="latticework-model-"))
    for entry in volume.entries():
        (to / entry.base_name).write_bytes(volume.read(entry.base_name))
    return to


@lru_cache(maxsize=16)
def _digest(path: Path, stamps: Sequence[Any]) -> str:
    del stamps
    return ModelFolder.open(path).digest()


def _stamps(folder: ModelFolder) -> tuple[Any, ...]:
    return tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in folder.files)
