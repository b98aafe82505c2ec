"""Dense models: given ones as they are, tiny ones trained on bytes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from torch import nn

from tasks.nn import FitStatus
from tasks.pruning.language.adapters.retraining import Retrained, Retraining, retrain
from tasks.pruning.language.config import TINY
from tasks.pruning.language.items import PerpItem
from tasks.pruning.language.making.subjects import FOLDERS, given_folder, origin_note, text_of
from tasks.pruning.language.making.work import (
    Made,
    curve_rows,
    forget_training,
    running_file,
    train_loss,
)
from tasks.pruning.language.models.structure import described
from tasks.pruning.language.models.subsets import num_parameters
from tasks.pruning.language.models.tiny import tiny_model, write_model
from tasks.pruning.language.texts.byte_tokenizer import byte_tokenizer
from tasks.pruning.language.texts.perplexity import token_loss
from tasks.pruning.language.texts.tokens import TokenBatches, Tokens
from tasks.records import derive_seed
from tasks.records.volume import Volume
from tasks.records.work import Place

__all__ = ["dense"]

WEIGHT_DECAY = 0.1
"""Of the training of tiny models."""


def dense(item: PerpItem, place: Place) -> Made:
    """A given model, or a tiny one with its files in the folder of the run."""
    if item.model not in TINY:
        folder = given_folder(item.model)
        return Made(
            columns={**_sizes(described(folder.config).skeleton), "note": origin_note(folder)}
        )
    model, result = _trained(item, place)
    columns = {
        **_sizes(model),
        "steps": item.config.pretrain_steps,
        "rate": item.config.pretrain_rate,
    }
    if result.fit.status != FitStatus.FINISHED:
        return Made(columns, reason=result.fit.reason, curve=curve_rows(result.fit))
    files = _written(model, place.folder, f"{FOLDERS}/{item.key}")
    forget_training(place.folder, item.key)
    more = {"folder": f"{FOLDERS}/{item.key}", "train_loss": train_loss(result.fit)}
    return Made({**columns, **more}, curve=curve_rows(result.fit), files=files)


def _trained(item: PerpItem, place: Place) -> tuple[nn.Module, Retrained]:
    config = item.config
    tokens = Tokens.of(text_of(config.text), byte_tokenizer())
    model = tiny_model(item.model, derive_seed(config.seed, "weights", item.replicate))
    seed = derive_seed(config.seed, "pretraining", item.replicate)
    training = tokens.training.to(place.device)
    batches = TokenBatches(training, config.batch_size, config.context, seed)
    plan = Retraining(
        config.pretrain_steps,
        config.pretrain_rate,
        weight_decay=WEIGHT_DECAY,
        mixed_precision=config.mixed_precision,
        seed=seed,
        checkpoint=running_file(place.folder, item.key),
        checkpoint_steps=config.checkpoint_steps,
    )
    model = model.to(place.device)
    return model, retrain(model, {}, "full", batches, plan, loss=token_loss)


def _sizes(model: nn.Module) -> dict[str, int | float]:
    layers = described(model.config).structure.layers  # pyrefly: ignore[bad-argument-type]
    prunable = sum(layer.rows * layer.width for layer in layers)
    return {"parameters": num_parameters(model), "prunable": prunable, "kept": prunable,
            "sparsity": 0.0, "zeros_lost": 0}  # fmt: skip


def _written(model: nn.Module, run_folder: str, path: str) -> list[str]:
    """Write a model into the folder of the run; paths of its files there."""
    volume = Volume.open(run_folder)
    with tempfile.TemporaryDirectory() as folder:
        write_model(model.cpu(), Path(folder))
        files = sorted(Path(folder).iterdir())
        for file in files:
            volume.write(f"{path}/{file.name}", file.read_bytes())
    return [f"{path}/{file.name}" for file in files]
