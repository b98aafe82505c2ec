"""What a study that trains on images needs before anything is trained: images and devices.

Importing this module needs no PyTorch.
"""

from __future__ import annotations

from tasks.nn.config import ImageTrainingConfig
from tasks.records.errors import InputError
from tasks.records.work import Inputs, Resources

__all__ = ["check_images", "images_inputs", "training_resources"]

_BUILT_IN = ("digits", "synthetic")


def images_inputs(config: ImageTrainingConfig) -> Inputs:
    """Of images that do not come with the package the content counts.

    Raises
    ------
    InputError
        If files of the data set are missing or damaged.
    """
    if config.dataset in _BUILT_IN:
        return Inputs()
    # Imported here: planning needs no PyTorch.
    from tasks.nn.workbench import images_digest, load_images

    digest = images_digest(load_images(config))
    return Inputs({config.dataset: digest}, digest)


def check_images(config: ImageTrainingConfig) -> None:
    """Refuse images that cannot be read, or of which none are left for validation.

    Raises
    ------
    InputError
        If files of the data set are missing or damaged, or if there are too few images.
    """
    # Imported here: planning needs no PyTorch.
    from tasks.nn.workbench import load_images

    images = load_images(config)
    if not len(images.validation):
        raise InputError(
            f"{len(images.train)} training images leave none for validation, "
            "which takes every tenth; give more"
        )


def training_resources(config: ImageTrainingConfig) -> Resources:
    """What a training needs."""
    return Resources(config.device)
