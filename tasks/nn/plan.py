"""What a study that trains networks needs before anything is trained: data and devices.

Importing this module needs no PyTorch.
"""

from __future__ import annotations

from tasks.nn.config import TEXTS, TrainingSettings
from tasks.records.errors import InputError
from tasks.records.work import Inputs, Resources

__all__ = ["check_data", "data_inputs", "training_resources"]

_BUILT_IN = ("digits", "synthetic")


def data_inputs(config: TrainingSettings) -> Inputs:
    """Of data that do not come with the package the content counts.

    Raises
    ------
    InputError
        If files of the data set are missing or damaged.
    """
    if config.dataset in _BUILT_IN:
        return Inputs()
    # Imported here: planning needs no PyTorch.
    from tasks.nn.benches import open_bench

    digest = open_bench(config).digest()
    return Inputs({config.dataset: digest}, digest)


def check_data(config: TrainingSettings) -> None:
    """Refuse data that cannot be read, or images of which none are left for validation.

    Raises
    ------
    InputError
        If files of the data set are missing or damaged, or if there are too few images.
    """
    # Imported here: planning needs no PyTorch.
    from tasks.nn.benches import open_bench
    from tasks.nn.workbench import load_images

    if config.dataset in TEXTS:
        _ = open_bench(config).steps_per_epoch  # refuses what is too short
        return
    images = load_images(config)
    if not len(images.validation):
        raise InputError(
            f"{len(images.train)} training images leave none for validation, "
            "which takes every tenth; give more"
        )


def training_resources(config: TrainingSettings) -> Resources:
    """What a training needs."""
    return Resources(config.device)
