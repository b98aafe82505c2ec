"""What `perp` looks at before anything starts: whether all fits, and what it will take."""

from __future__ import annotations

from typing import Any

from gpu.backend import cuda_problem
from tasks.nn.plan import HERE
from tasks.pruning.language.config import TINY, PerpConfig
from tasks.pruning.language.files.lora_files import LoraFile
from tasks.pruning.language.files.mask_files import has_masks, read_masks
from tasks.pruning.language.layers.patterns import Pattern
from tasks.pruning.language.making.subjects import given_folder, model_facts, text_of
from tasks.pruning.language.methods import parse_method
from tasks.pruning.language.models.folders import ModelFolder
from tasks.pruning.language.models.skeletons import tied_names
from tasks.pruning.language.models.structure import Layer, described
from tasks.pruning.language.models.subsets import head_weight
from tasks.pruning.language.models.tiny import MAX_CONTEXT, tiny_config
from tasks.pruning.language.texts.byte_tokenizer import byte_tokenizer
from tasks.pruning.language.texts.tokens import Tokens, check_lengths
from tasks.records import InputError
from tasks.records.report import counted

__all__ = ["rehearse"]

_LENGTHS = ("max_position_embeddings", "n_positions", "seq_length")


def rehearse(config: PerpConfig, address: str = "") -> None:
    """Refuse what cannot be done; see `tasks.pruning.language.plan.check_perp`."""
    if config.device == "cuda" and address in HERE and (problem := cuda_problem()):
        raise InputError(f"device=cuda cannot be used here: {problem}")
    _check_methods(config)
    _check_apart(config)
    for name in config.model:
        folder = None if name in TINY else given_folder(name)
        architecture = tiny_config(name) if folder is None else folder.config
        found = described(architecture)
        layers = found.structure.layers
        _check_layers(config, layers)
        _check_rank(config, found.skeleton, layers)
        if folder is not None:
            _check_masks(config, folder, layers)
        if config.adapter:
            _check_adapter(config, architecture, layers)
        _check_texts(config, folder, architecture)


def _check_methods(config: PerpConfig) -> None:
    """Refuse methods that no model has parameters for."""
    lacking = [model_facts(name).lacking for name in config.model]
    for text in config.methods:
        method = parse_method(text)
        if not any(method.fits(words) for words in lacking):
            words = [word for word in method.subsets if any(word in each for each in lacking)]
            named = " or ".join("a head of its own" if w == "head" else w for w in words)
            raise InputError(f"method {text}: no model here has {named}")


def _check_apart(config: PerpConfig) -> None:
    """What is read of the other text is in no part of the text."""
    text, other = text_of(config.text), text_of(config.other_text)
    known = {document for part in text.parts().values() for document in part}
    count = sum(document in known for document in other.evaluation)
    if count:
        raise InputError(
            f"other_text {other.name} has {counted(count, 'document')} that text {text.name} has, "
            "too: nothing may be trained there; give another text"
        )


def _check_layers(config: PerpConfig, layers: tuple[Layer, ...]) -> None:
    for text in config.pattern:
        for layer in layers:
            Pattern.parse(text).check(layer.name, layer.width)


def _check_rank(config: PerpConfig, model: Any, layers: tuple[Layer, ...]) -> None:
    """Adapters are of a rank that the smallest of their matrices has."""
    methods = [parse_method(text) for text in config.methods]
    fitted = "reconstruct" if config.reconstruction_adapter != "full" else "none"
    shapes: dict[str, tuple[int, int]] = {}
    if any(method.adapter or method.alone == fitted for method in methods):
        shapes |= {layer.name: (layer.rows, layer.width) for layer in layers}
    if any("head" in method.subsets for method in methods):
        name = head_weight(model)
        shapes[name.removesuffix(".weight")] = tuple(model.get_parameter(name).shape)
    name = min(shapes, key=lambda name: min(shapes[name]), default="")
    if name and config.rank > min(shapes[name]):
        rows, width = shapes[name]
        raise InputError(
            f"rank {config.rank} is larger than {name}, which has {rows} outputs and {width} inputs"
        )


def _check_masks(config: PerpConfig, folder: ModelFolder, layers: tuple[Layer, ...]) -> None:
    """Masks of a folder have to be of the pattern; then they are taken as they are."""
    if not has_masks(folder.path) or config.allocation == "error":
        return
    masks = read_masks(folder.path)
    for text in config.pattern:
        pattern = Pattern.parse(text)
        for layer in layers:
            if layer.weight not in masks:
                continue
            mask = masks[layer.weight]
            if not pattern.fits(mask.T if layer.transposed else mask):
                raise InputError(
                    f"model folder {folder.path} is pruned already, and the mask of {layer.name} "
                    f"does not have the pattern {text}; give the pattern that it has, "
                    "allocation=error if its layers differ, or the dense model"
                )


def _check_adapter(config: PerpConfig, architecture: Any, layers: tuple[Layer, ...]) -> None:
    model = described(architecture).skeleton
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    tied = {name: group[0] for group in tied_names(model) for name in group[1:]}
    transposed = {layer.weight for layer in layers if layer.transposed}
    LoraFile.open(config.adapter, transposed).check(shapes, tied)


def _check_texts(config: PerpConfig, folder: ModelFolder | None, architecture: Any) -> None:
    tokenizer = byte_tokenizer() if folder is None else folder.tokenizer()
    longest = MAX_CONTEXT if folder is None else _longest(architecture)
    for text in (config.text, config.other_text):
        is_trained_on = text == config.text
        check_lengths(
            Tokens.of(text_of(text), tokenizer),
            config.context,
            num_calibration=config.calibration if is_trained_on else 0,
            batch_size=config.batch_size if is_trained_on else 0,
            longest=longest,
            vocabulary=architecture.vocab_size,
        )


def _longest(architecture: Any) -> int | None:
    """Positions of a model, where its config says."""
    return next((getattr(architecture, n) for n in _LENGTHS if hasattr(architecture, n)), None)
