"""Training of neural networks, shared by the fields.

`tasks.nn` has the loop, schedules, checkpoints, evaluation and averages; `tasks.nn.data` images by
name, `tasks.nn.models` networks by name, `tasks.nn.sparsity` masks, multiplications and surgery.

>>> import torch
>>> from tasks.nn import FitPlan, Linear, TrainingState, evaluate, fit, sgd
>>> from tasks.nn.data import load_dataset
>>> from tasks.nn.models import build_model
>>> digits = load_dataset("digits")
>>> model = build_model("mlp", digits.shape, digits.num_classes, seed=1)
>>> state = TrainingState(model, sgd(model))
>>> plan = FitPlan(num_steps=200, batch_size=64, schedule=Linear(0.1, 0.0, 200), seed=1)
>>> fit(state, digits, plan).status
<FitStatus.FINISHED: 'finished'>
>>> evaluate(model, digits, digits.test).accuracy > 0.9
True
"""

from tasks.nn.averaging import average_states, state_distance
from tasks.nn.checkpoints import load_checkpoint, save_checkpoint, store_checkpoint
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
from tasks.nn.fitting import CurvePoint, Fit, FitPlan, FitStatus, fit
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
from tasks.nn.training import (
    StepReport,
    TrainingDiverged,
    TrainingState,
    seeded_generator,
    sgd,
    train_steps,
)

__all__ = [
    "RETRAININGS",
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
    "Linear",
    "Retraining",
    "Schedule",
    "Shifted",
    "Step",
    "StepReport",
    "TrainingDiverged",
    "TrainingState",
    "WarmUp",
    "adaptive_factor",
    "average_states",
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
    "predict",
    "pruning_distance",
    "recalibrate",
    "release_freed_memory",
    "retraining_schedule",
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
