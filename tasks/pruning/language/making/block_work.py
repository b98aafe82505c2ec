"""What is done to a block: pruning, the best weights for its masks, or reconstruction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from math import ceil, isfinite, nan

import torch
from torch import Tensor, nn

from tasks.pruning.language.adapters.reconstruction import (
    ReconstructedBlock,
    ReconstructedUnit,
    Reconstruction,
    reconstruct_block,
)
from tasks.pruning.language.config import PerpConfig
from tasks.pruning.language.files.mask_files import has_masks, read_masks
from tasks.pruning.language.items import PerpItem
from tasks.pruning.language.layers.allocation import allocate, error_curve, sparsities_around
from tasks.pruning.language.layers.gram import Gram, row_errors
from tasks.pruning.language.layers.layouts import laid_flat, laid_out
from tasks.pruning.language.layers.least_squares import best_weights
from tasks.pruning.language.layers.patterns import Pattern
from tasks.pruning.language.layers.pruning import LayerPruning, PrunedLayer, prune_layer
from tasks.pruning.language.making.by_block import (
    BlockResult,
    Stopwatch,
    block_grams,
)
from tasks.pruning.language.making.stored_models import StoredModel
from tasks.pruning.language.models.blocks import Hidden, LanguageModel
from tasks.pruning.language.models.folders import ModelFolder
from tasks.pruning.language.models.structure import Layer, Structure
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
    patterns : mapping of Pattern
        Of layers that do not have that of the item.
    given : mapping of Tensor
        Masks by parameter, taken as they are.
    """

    model: LanguageModel
    item: PerpItem
    seed: int
    patterns: Mapping[str, Pattern] = field(default_factory=dict)
    given: Mapping[str, Tensor] = field(default_factory=dict)

    def __call__(self, number: int, block: nn.Module, hidden: Hidden) -> BlockResult:
        """Prune all layers on the inputs that the pruned blocks before give."""
        grams = block_grams(self.model, number, block, hidden)
        changed: dict[str, Tensor] = {}
        masks: dict[str, Tensor] = {}
        rows, seconds, watch = [], {}, Stopwatch()
        for layer in self.model.structure.of_block(number):
            weight = _flat_weight(self.model, block, layer)
            found = self._pruned(layer, weight, grams[layer.name])
            if found.is_pruned:
                masks[layer.weight] = laid_out(found.mask, transposed=layer.transposed)
                if not torch.equal(found.weight, weight.masked_fill(~found.mask, 0)):
                    changed[layer.weight] = laid_out(found.weight, transposed=layer.transposed)
            rows.append(_row(layer, weight, found, grams[layer.name]))
            seconds[layer.name] = watch.lap()
        return BlockResult(changed, masks, rows, seconds)

    def _pruned(self, layer: Layer, weight: Tensor, gram: Gram) -> PrunedLayer:
        how = self.how(layer)
        if layer.weight not in self.given:
            return prune_layer(weight, gram, how)
        mask = laid_flat(self.given[layer.weight], transposed=layer.transposed).to(weight.device)
        found = weight.masked_fill(~mask, 0)
        error, scale = (float(row_errors(weight, w, gram).sum()) for w in (found, weight * 0))
        return PrunedLayer(mask, found, error, scale)

    def how(self, layer: Layer) -> LayerPruning:
        """How a layer is pruned."""
        config, item = self.item.config, self.item
        return LayerPruning(
            criterion=item.criterion,
            pattern=self.patterns.get(layer.name, Pattern.parse(item.pattern)),
            refinement=config.refinement,
            seed=derive_seed(self.seed, layer.name),
            bounds=config.layer_errors,
            least_squares_errors=config.layer_errors,
        )

    def allocated(self, tokens: Tensor, batch_size: int) -> dict[str, Pattern]:
        """Patterns by measured errors of the dense layers, as many weights in all as uniformly."""
        target = Pattern.parse(self.item.pattern).sparsity
        shares = sparsities_around(target)
        hidden, curves = self.model.hidden(tokens, batch_size), []
        for number in range(len(self.model.structure.blocks)):
            with self.model.block(number) as block:
                grams = block_grams(self.model, number, block, hidden)
                for layer in self.model.structure.of_block(number):
                    weight = _flat_weight(self.model, block, layer)
                    how = replace(self.how(layer), bounds=False, least_squares_errors=False)
                    found = error_curve(layer.name, weight, grams[layer.name], how, shares)
                    curves.append(found)
                hidden = self.model.run(block, hidden)
        return {name: Pattern(share) for name, share in allocate(curves, target).items()}


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
                weight = _flat_weight(self.dense, twin, layer)
                before = _flat_weight(self.model, block, layer)
                gram = grams[layer.name]
                mask = self._mask(layer).to(weight.device)
                if reason := self._obstacle(layer, gram):
                    rows.append({**_sizes(layer, mask), "note": reason})
                    continue
                found = best_weights(weight, mask, gram).weight
                changed[layer.weight] = laid_out(found, transposed=layer.transposed)
                errors = {"before": before, "error": found}
                rows.append(_errors_row(layer, mask, weight, gram, errors))
                seconds[layer.name] = watch.lap()
        return BlockResult(changed, rows=rows, seconds=seconds)

    def _mask(self, layer: Layer) -> Tensor:
        if layer.weight in self.parent.masked:
            return laid_flat(self.parent.mask(layer.weight), transposed=layer.transposed)
        return torch.ones(layer.rows, layer.width, dtype=torch.bool)

    def _obstacle(self, layer: Layer, gram: Gram) -> str:
        """Why a layer keeps its weights; empty if it does not."""
        if layer.weight not in self.parent.masked:
            return "it has no mask: left as it was"
        if not bool(gram.matrix.isfinite().all()):
            return "the statistics of the inputs are not finite: left as it was"
        return ""


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
        parts = _parts(self.model.structure, number)
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
        batches = ceil(self.config.calibration / self.config.batch_size)
        return max(round(self.config.reconstruction_epochs * batches), 1)

    def num_trained(self) -> int:
        """Values that are trained, over all parts."""
        layers = [each for each in self.model.structure.layers if each.weight in self.parent.masked]
        if self.config.reconstruction_adapter == "full":
            return sum(int(self.parent.mask(layer.weight).sum()) for layer in layers)
        return sum(self.config.rank * (layer.rows + layer.width) for layer in layers)


def _parts(structure: Structure, number: int) -> list[str | tuple[str, ...]]:
    """Attention and MLP of a block; layers that stand for one of them belong together."""
    prefix = f"{structure.blocks[number]}."
    found = []
    for _, group in groupby(structure.parts[number], key=lambda part: part.kind):
        names = tuple(part.name.removeprefix(prefix) for part in group)
        found.append(names[0] if len(names) == 1 else names)
    return found


def _flat_weight(model: LanguageModel, block: nn.Module, layer: Layer) -> Tensor:
    """Weight (outputs, inputs) of a layer of a block."""
    prefix = f"{model.structure.blocks[layer.block]}."
    stored = block.get_parameter(layer.weight.removeprefix(prefix)).detach()
    return laid_flat(stored, transposed=layer.transposed)


def _row(layer: Layer, weight: Tensor, found: PrunedLayer, gram: Gram) -> Row:
    before = nan
    if isfinite(found.error):
        before = float(row_errors(weight, weight.masked_fill(~found.mask, 0), gram).sum())
    names = ("before", "error", "best_error", "lower_bound")
    errors = (before, found.error, found.best_error, found.lower_bound)
    return {
        **_sizes(layer, found.mask),
        "scale": found.scale if isfinite(found.scale) else None,
        **{name: _relative(e, found.scale) for name, e in zip(names, errors, strict=True)},
        "note": "; ".join(found.notes),
    }


def _relative(error: float, scale: float) -> float | None:
    """0 where nothing is lost of nothing; None if it is not known."""
    return (error / scale if scale > 0 else error) if isfinite(error) else None


def _errors_row(
    layer: Layer, mask: Tensor, weight: Tensor, gram: Gram, others: Mapping[str, Tensor]
) -> Row:
    scale = float(row_errors(weight, weight * 0, gram).sum())
    errors = {name: float(row_errors(weight, each, gram).sum()) for name, each in others.items()}
    relative = {name: _relative(error, scale) for name, error in errors.items()}
    return {**_sizes(layer, mask), "scale": scale, **relative, "note": ""}


def _sizes(layer: Layer, mask: Tensor) -> Row:
    kept = int(mask.sum())
    sizes = {"rows": layer.rows, "inputs": layer.width, "kept": kept}
    return {"block": layer.block, "layer": layer.name, **sizes}


def _unit_rows(number: int, prefix: str, found: ReconstructedBlock) -> list[Row]:
    return [
        {
            "block": number,
            "layer": f"{prefix}.{unit.name}",
            "scale": unit.scale if isfinite(unit.scale) else None,
            "before": _relative(unit.loss_before, unit.scale),
            "error": _relative(unit.loss_after, unit.scale),
            "note": _unit_note(unit),
        }
        for unit in found.units
    ]


def _unit_note(unit: ReconstructedUnit) -> str:
    if not isfinite(unit.loss_before):
        return "left as it was: its outputs are not finite"
    reverted = "left as it was: the better part made the block worse"
    return reverted if unit.is_reverted else ""
