"""The workbench of pruning: what all trainings of a run share, and how its config prunes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tasks.nn import FitPlan, Workbench
from tasks.nn.sparsity import count_multiplications
from tasks.pruning.config import TrainingConfig
from tasks.pruning.criteria import Pruning, without_pruned_filters
from tasks.pruning.sparse_models import SparseModel, model_id
from tasks.records import derive_seed

__all__ = ["Setup"]


@dataclass(frozen=True, eq=False)
class Setup(Workbench):
    """A config of pruning with its images on a device.

    Attributes
    ----------
    config : TrainingConfig
    dataset : Dataset
    device : str
    """

    config: TrainingConfig

    def plan(
        self, num_steps: int, start: SparseModel, checkpoint: str | Path | None = None
    ) -> FitPlan:
        """Settings of the config; `start` tells the checkpoints of other trainings apart."""
        origin = model_id(start) if checkpoint else ""
        return self.fit_plan(num_steps, checkpoint=checkpoint, origin=origin)

    def pruning(self, replicate: int, *, regrow: bool = False) -> Pruning:
        """How this config prunes."""
        return Pruning(
            self.config.criterion,
            self.config.allocation,
            filters=self.config.granularity == "filters",
            regrow=regrow,
            seed=derive_seed(self.config.seed, "saliencies", replicate),
        )

    def speed_up(self, sparse: SparseModel) -> float:
        """Theoretical speed-up: dense multiplications over those that are left.

        Pruned filters are cut out first: then the inputs that they fed are gone too.
        """
        shape = self.dataset.shape
        counts = count_multiplications(sparse.model, shape, sparse.weight_masks)
        if self.config.granularity == "weights":
            return counts.speed_up
        smaller = without_pruned_filters(sparse.model, sparse.masks, shape)
        return counts.dense / count_multiplications(smaller, shape).dense
