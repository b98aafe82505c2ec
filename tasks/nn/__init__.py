"""Training of neural networks, shared by the fields.

`tasks.nn` has the loop, stacks of models, schedules, checkpoints, evaluation and averages;
`tasks.nn.data` images and text by name, `tasks.nn.models` networks by name, `tasks.nn.sparsity`
masks, multiplications and surgery.  `TrainingSettings` and `Bench` are what studies that train
networks share, on images (`ImageTrainingConfig`, `Workbench`) or on text (`TextBench`), with
`tasks.nn.plan` before a run and `tasks.nn.statistics` after it.  The package
imports PyTorch when a name is asked for that needs it; `config`, `plan` and `statistics` do not.

>>> import torch
>>> from tasks.nn import FitPlan, Linear, TrainingState, classification_loss, evaluate, fit, sgd
>>> from tasks.nn.data import ImageBatches, load_dataset
>>> from tasks.nn.models import build_model
>>> digits = load_dataset("digits")
>>> model = build_model("mlp", digits.shape, digits.num_classes, seed=1)
>>> state = TrainingState(model, sgd(model), Linear(0.1, 0.0, 200))
>>> batches = ImageBatches(digits, 64, seed=1)
>>> fit(state, batches, classification_loss, FitPlan(num_steps=200)).status
<FitStatus.FINISHED: 'finished'>
>>> evaluate(model, digits, digits.test).accuracy > 0.9
True
"""

from typing import TYPE_CHECKING

from tasks.records.lazy import lazy_exports

if TYPE_CHECKING:
    from tasks.nn.averaging import average_states, state_distance
    from tasks.nn.bench import Bench, Measures
    from tasks.nn.benches import open_bench
    from tasks.nn.checkpoints import load_checkpoint, save_checkpoint, store_checkpoint
    from tasks.nn.config import ImageTrainingConfig
    from tasks.nn.distributed import averaged_loss, run_processes
    from tasks.nn.evaluation import (
        Evaluation,
        classification_loss,
        corrupted_accuracies,
        ensemble,
        evaluate,
        evaluating,
        measure,
        predict,
    )
    from tasks.nn.files import (
        Checkpoint,
        DamagedFileError,
        check_fit,
        load_tensors,
        save_tensors,
        store_tensors,
        tensors_digest,
    )
    from tasks.nn.fitting import Batches, Fit, FitPlan, FitStatus, fit
    from tasks.nn.memory import release_freed_memory
    from tasks.nn.recalibration import normalizations, recalibrate
    from tasks.nn.retraining import (
        RETRAININGS,
        Retraining,
        adaptive_factor,
        pruning_distance,
        retraining_schedule,
    )
    from tasks.nn.schedules import (
        Compressed,
        Constant,
        Cosine,
        Linear,
        Schedule,
        Shifted,
        Step,
        WarmUp,
        num_rises,
        warmed_up,
    )
    from tasks.nn.stacked import (
        JointStack,
        MemberStack,
        ScaledSchedule,
        Stack,
        StackedBatches,
        StackedSchedule,
        StackedState,
    )
    from tasks.nn.stacked_optimizers import StackedAdamW, StackedSGD
    from tasks.nn.training import (
        CurvePoint,
        Loss,
        StepReport,
        TrainingDiverged,
        TrainingState,
        seeded_generator,
        sgd,
        train_steps,
    )
    from tasks.nn.workbench import Workbench

__all__ = [
    "RETRAININGS",
    "Batches",
    "Bench",
    "Checkpoint",
    "Compressed",
    "Constant",
    "Cosine",
    "CurvePoint",
    "DamagedFileError",
    "Evaluation",
    "Fit",
    "FitPlan",
    "FitStatus",
    "ImageTrainingConfig",
    "JointStack",
    "Linear",
    "Loss",
    "Measures",
    "MemberStack",
    "Retraining",
    "ScaledSchedule",
    "Schedule",
    "Shifted",
    "Stack",
    "StackedAdamW",
    "StackedBatches",
    "StackedSGD",
    "StackedSchedule",
    "StackedState",
    "Step",
    "StepReport",
    "TrainingDiverged",
    "TrainingState",
    "WarmUp",
    "Workbench",
    "adaptive_factor",
    "average_states",
    "averaged_loss",
    "check_fit",
    "classification_loss",
    "corrupted_accuracies",
    "ensemble",
    "evaluate",
    "evaluating",
    "fit",
    "load_checkpoint",
    "load_tensors",
    "measure",
    "normalizations",
    "num_rises",
    "open_bench",
    "predict",
    "pruning_distance",
    "recalibrate",
    "release_freed_memory",
    "retraining_schedule",
    "run_processes",
    "save_checkpoint",
    "save_tensors",
    "seeded_generator",
    "sgd",
    "state_distance",
    "store_checkpoint",
    "store_tensors",
    "tensors_digest",
    "train_steps",
    "warmed_up",
]

__getattr__ = lazy_exports(__name__, __file__)
