"""What is done to a block: pruning, the best weights for its masks, or reconstruction."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from tasks.pruning.language.adapters.reconstruction import (
    ReconstructedBlock,
    Reconstruction,
    reconstruct_block,
)
from tasks.pruning.language.by_block import (
    BlockResult,
    Stopwatch,
    block_grams,
    laid_flat,
    laid_out,
)
from tasks.pruning.language.config import PerpConfig
from tasks.pruning.language.files.mask_files import has_masks, read_masks
from tasks.pruning.language.items import PerpItem
from tasks.pruning.language.layers.gram import Gram, row_errors
from tasks.pruning.language.layers.least_squares import best_weights
from tasks.pruning.language.layers.patterns import Pattern
from tasks.pruning.language.layers.pruning import LayerPruning, prune_layer
from tasks.pruning.language.models.blocks import Hidden, LanguageModel
from tasks.pruning.language.models.folders import ModelFolder
from tasks.pruning.language.models.structure import Layer
from tasks.pruning.language.stored_models import StoredModel
from tasks.records import derive_seed
from tasks.records.rows import Row

__all__ = ["LeastSquaresWork", "PruningWork", "ReconstructionWork", "given_masks"]


def given_masks(folder: ModelFolder) -> dict[str, Tensor]:
    """Masks that a folder brings, by parameter; empty for a dense model."""
    return dict(read_masks(folder.path)) if has_masks(folder.path) else {}


@dataclass(frozen=True, eq=False)
class PruningWork:
    """Masks of the layers of a block, and weights if the criterion changes them.

    Attributes
    ----------
    model : LanguageModel
        The dense one.
    item : PerpItem
    seed : int
        Of random criteria.
    given : mapping of Tensor
        Masks to be taken as they are.
    """

    model: LanguageModel
    item: PerpItem
    seed: int
    given: Mapping[str, Tensor] = field(default_factory=dict)

    def __call__(self, number: int, block: nn.Module, hidden: Hidden) -> BlockResult:
        """Prune all layers on the inputs that the pruned blocks before give."""
        grams = block_grams(self.model, number, block, hidden)
        changed: dict[str, Tensor] = {}
        masks: dict[str, Tensor] = {}
        rows, seconds, watch = [], {}, Stopwatch()
        for layer in self.model.structure.of_block(number):
            weight = laid_flat(_parameter(self.model, block, layer), layer)
            found = prune_layer(weight, grams[layer.name], self._how(layer))
            masks[layer.weight] = laid_out(found.mask, layer)
            if found.changes_weights:
                changed[layer.weight] = laid_out(found.weight, layer)
            rows.append(_row(layer, found.mask, found))
            seconds[layer.name] = watch.lap()
        return BlockResult(changed, masks, rows, seconds)

    def _how(self, layer: Layer) -> LayerPruning:
        config, item = self.item.config, self.item
        given = self.given.get(layer.weight)
        return LayerPruning(
            criterion=item.criterion,
            pattern=Pattern.parse(item.pattern),
            refinement=config.refinement,
            seed=derive_seed(self.seed, layer.name),
            bounds=config.layer_errors,
            least_squares_errors=config.layer_errors,
            mask=None if given is None else laid_flat(given, layer),
        )


@dataclass(frozen=True, eq=False)
class LeastSquaresWork:
    """The best weights of every layer for its mask, on the inputs of the blocks so far."""

    model: LanguageModel
    parent: StoredModel
    dense: LanguageModel

    def __call__(self, number: int, block: nn.Module, hidden: Hidden) -> BlockResult:
        """Solve for all layers; targets are what the dense weights make of the same inputs."""
        grams = block_grams(self.model, number, block, hidden)
        changed, rows, seconds, watch = {}, [], {}, Stopwatch()
        with self.dense.block(number) as twin:
            for layer in self.model.structure.of_block(number):
                weight = laid_flat(_parameter(self.dense, twin, layer), layer)
                mask = laid_flat(self.parent.mask(layer.weight), layer).to(weight.device)
                before = laid_flat(_parameter(self.model, block, layer), layer)
                gram = grams[layer.name]
                found = best_weights(weight, mask, gram).weight
                changed[layer.weight] = laid_out(found, layer)
                errors = {"before": before, "error": found}
                rows.append(_errors_row(layer, mask, weight, gram, errors))
                seconds[layer.name] = watch.lap()
        return BlockResult(changed, rows=rows, seconds=seconds)


@dataclass(frozen=True, eq=False)
class ReconstructionWork:
    """Parts of a pruned block fitted to the dense ones."""

    model: LanguageModel
    dense: LanguageModel
    parent: StoredModel
    config: PerpConfig
    seed: int

    def __call__(self, number: int, block: nn.Module, hidden: Hidden) -> BlockResult:
        """Fit one part after the other."""
        prefix = f"{self.model.structure.blocks[number]}."
        layers = self.model.structure.of_block(number)
        own = [each.weight for each in layers if each.weight in self.parent.masked]
        device = hidden.states[0].device
        masks = {name.removeprefix(prefix): self.parent.mask(name).to(device) for name in own}
        parts = [part.name.removeprefix(prefix) for part in self.model.structure.parts[number]]
        watch = Stopwatch()
        with self.dense.block(number) as twin:
            calls = [each[number] for each in hidden.calls]
            found = reconstruct_block(
                twin, block, masks, hidden.states, calls, parts, self._how(number)
            )
        changed = {prefix + name: value for name, value in found.changed.items()}
        name = prefix.rstrip(".")
        return BlockResult(
            changed, rows=_unit_rows(number, name, found), seconds={name: watch.lap()}
        )

    def _how(self, number: int) -> Reconstruction:
        config = self.config
        return Reconstruction(
            granularity=config.granularity,
            kind=config.reconstruction_adapter,
            num_steps=self.num_steps,
            rate=config.reconstruction_rate,
            rank=config.rank,
            alpha=config.alpha,
            loss=config.reconstruction_loss,
            inputs=config.reconstruction_inputs,
            mixed_precision=config.mixed_precision,
            seed=derive_seed(self.seed, number),
        )

    @property
    def num_steps(self) -> int:
        """Of one part."""
        batches = math.ceil(self.config.calibration / self.config.batch_size)
        return max(round(self.config.reconstruction_epochs * batches), 1)

    def num_trained(self) -> int:
        """Values that are trained, over all parts."""
        layers = [each for each in self.model.structure.layers if each.weight in self.parent.masked]
        if self.config.reconstruction_adapter == "full":
            return sum(int(self.parent.mask(layer.weight).sum()) for layer in layers)
        return sum(self.config.rank * (layer.rows + layer.width) for layer in layers)


def _parameter(model: LanguageModel, block: nn.Module, layer: Layer) -> Tensor:
    prefix = f"{model.structure.blocks[layer.block]}."
    return block.get_parameter(layer.weight.removeprefix(prefix)).detach()


def _row(layer: Layer, mask: Tensor, found: Any) -> Row:
    return {
        **_sizes(layer, mask),
        "scale": found.scale,
        "before": found.mask_error,
        "error": found.error,
        "best_error": found.best_error,
        "lower_bound": found.lower_bound,
        "note": "; ".join(found.notes),
    }


def _errors_row(
    layer: Layer, mask: Tensor, weight: Tensor, gram: Gram, others: Mapping[str, Tensor]
) -> Row:
    scale = float(row_errors(weight, weight * 0, gram).sum())
    errors = {name: float(row_errors(weight, each, gram).sum()) for name, each in others.items()}
    relative = {name: error / scale if scale else 0.0 for name, error in errors.items()}
    return {**_sizes(layer, mask), "scale": scale, **relative, "note": ""}


def _sizes(layer: Layer, mask: Tensor) -> Row:
    kept = int(mask.sum())
    sizes = {"rows": layer.rows, "inputs": layer.width, "kept": kept}
    return {"block": layer.block, "layer": layer.name, **sizes}


def _unit_rows(number: int, prefix: str, found: ReconstructedBlock) -> list[Row]:
    reverted = "left as it was: the better part made the block worse"
    return [
        {
            "block": number,
            "layer": f"{prefix}.{unit.name}",
            "before": unit.loss_before,
            "error": unit.loss_after,
            "note": reverted if unit.is_reverted else "",
        }
        for unit in found.units
    ]
