"""Configs of the studies `sparse-soup` and `imp`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.nn.config import MAX_EPOCHS, ImageTrainingConfig, Place
from tasks.pruning.cycles import Method

__all__ = ["ImpConfig", "SoupConfig", "TrainingConfig", "Vary"]

Vary = Literal["seed", "weight_decay", "retrain_length", "lr"]
Retraining = Literal["ft", "lrw", "slr", "clr", "llr", "allr"]


class TrainingConfig(ImageTrainingConfig):
    """What both studies of pruning share: a training on images, and how weights go."""

    criterion: Literal["magnitude", "random"] = "magnitude"
    """Which weights go: the smallest ones, or random ones."""

    granularity: Literal["weights", "filters"] = "weights"
    """What is pruned: single weights, or whole filters by their norm, the same share in every
    group of channels that belong together. A sparsity of filters is a share of filters."""

    allocation: Literal["global", "uniform", "uniform+", "erk"] = "global"
    """How the weights that are left are spread over the layers; not with granularity filters."""

    @model_validator(mode="after")
    def _spread(self) -> Self:
        if self.granularity == "filters" and self.allocation != "global":
            raise ValueError(
                "granularity filters prunes the same share of every group of channels; "
                f"leave out allocation {self.allocation}"
            )
        return self


class SoupConfig(TrainingConfig):
    """Sparse model soups and the models they are compared with."""

    checkpoints: tuple[Place, ...] = Field(default=(), max_length=1000)
    """Files of weights that are merged, by every rule, in place of all trainings: state dicts of
    one network with equal masks, as .safetensors or .pt, or folders that were exported. mean and
    deviation have to be given, unless they are exported folders."""

    sparsity: float = Field(default=0.9, ge=0.0, lt=1.0)
    """Share of the prunable weights that is gone at the end."""

    phases: int = Field(default=3, ge=1, le=100)
    """Number n of prunings."""

    retrain_epochs: float = Field(default=3.0, gt=0.0, le=MAX_EPOCHS)
    """Epochs of retraining of one member after one pruning."""

    retraining: Retraining = "allr"
    """Learning rates of retraining."""

    members: int = Field(default=3, ge=1, le=100)
    """Number m of members of a soup."""

    vary: Vary = "seed"
    """How the members differ: order of batches, weight decay, length or rate of retraining."""

    spread: float = Field(default=2.0, gt=1.0, le=100.0)
    """Factor between neighboring members for all variations but seed; the first member has the
    given value, the next ones that value times and over the factor, and so on."""

    merge: Literal["uniform", "greedy", "learned"] = "uniform"
    """Average of all members; of the best ones as long as it does not get worse on the validation
    images; or with weights per layer that are learned on these."""

    min_branches: int = Field(default=2, ge=1, le=100)
    """A soup goes on without members that failed if so many are left."""

    method: Method = "imp"
    """Pruning method around the soup: iterative pruning with retraining; the same within the
    budget of one training; or gradual pruning during one training, with members between two
    prunings, where pruned weights are lost (gmp) or may come back (dpf)."""

    dense_share: float = Field(default=0.5, gt=0.0, lt=1.0)
    """Share of the budget that bimp trains before the first pruning."""

    branches: Literal["separate", "stacked"] = "separate"
    """Train each member in a separate call, or all members of a soup in one call; for small
    networks the latter is faster on a GPU, and slower on a CPU."""

    baselines: tuple[Literal["imp", "long", "reprune"], ...] = ("imp", "long", "reprune")
    """What is trained for comparison: iterative pruning without a soup, the same with m times the
    retraining, and averages of separately pruned networks that are pruned again."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.min_branches > self.members:
            raise ValueError(
                f"min_branches {self.min_branches} must not exceed members {self.members}"
            )
        if self.branches == "stacked" and (self.method == "dpf" or self.mixed_precision):
            raise ValueError(
                "branches stacked is not offered with method dpf or mixed_precision; "
                "take branches separate"
            )
        if self.method != "imp" and self.granularity == "filters":
            raise ValueError("granularity filters needs method imp")
        if self.checkpoints and self.checkpoint:
            raise ValueError("give checkpoints to merge, or one checkpoint to start from, not both")
        if len(self.checkpoints) == 1:
            raise ValueError("a soup needs at least two checkpoints, not 1")
        return self

    def weight_files(self) -> Mapping[str, tuple[str, ...]]:
        """Those to start from, or those that are merged."""
        merged = {"checkpoints": self.checkpoints} if self.checkpoints else {}
        return {**super().weight_files(), **merged}


class ImpConfig(TrainingConfig):
    """Schedules, budgets and sparsities of pruning with retraining, side by side."""

    sparsities: tuple[float, ...] = Field(default=(0.9, 0.98), min_length=1, max_length=100)
    """Final sparsities, each in [0, 1)."""

    cycles: int = Field(default=1, ge=1, le=100)
    """Number of prunings of imp and bimp."""

    schedules: tuple[Retraining, ...] = Field(
        default=("ft", "lrw", "slr", "clr", "llr", "allr"), min_length=1
    )
    """Learning rates of retraining of imp."""

    retrain_epochs: tuple[float, ...] = Field(default=(1.0, 2.0, 5.0), min_length=1, max_length=100)
    """Epochs of retraining after every pruning. All methods get the same number of epochs in all:
    the dense ones and those of retraining."""

    methods: tuple[Method, ...] = Field(default=("imp", "bimp", "gmp", "dpf"), min_length=1)
    """imp with every schedule; bimp within the same budget; and gradual pruning during one
    training, where pruned weights are lost (gmp) or may come back (dpf)."""

    dense_share: float = Field(default=0.5, gt=0.0, lt=1.0)
    """Share of the budget that bimp trains before the first pruning."""

    updates: int = Field(default=64, ge=1, le=100_000)
    """Number of prunings of gmp and dpf; dpf needs many to find its weights again."""

    @model_validator(mode="after")
    def _ranges(self) -> Self:
        wrong = [s for s in self.sparsities if not 0 <= s < 1]
        if wrong:
            raise ValueError(f"sparsity {wrong[0]} is not in [0, 1)")
        wrong = [e for e in self.retrain_epochs if not 0 < e <= MAX_EPOCHS]
        if wrong:
            raise ValueError(f"retrain_epochs {wrong[0]:g} must lie in (0, {MAX_EPOCHS}]")
        return self
