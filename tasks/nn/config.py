"""Settings of studies that train networks on images, or on text too."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from gpu.backend import Device
from tasks.records.config import FrozenConfig

__all__ = [
    "MAX_EPOCHS",
    "TEXTS",
    "ImageModel",
    "ImageTrainingConfig",
    "Images",
    "Texts",
    "TrainingSettings",
]

Images = Literal["digits", "fashion-mnist", "cifar10", "cifar100", "imagefolder", "synthetic"]
Texts = Literal["python-docs", "textfolder"]
TEXTS: tuple[str, ...] = get_args(Texts)
ImageModel = Literal[
    "mlp",
    "lenet-300-100",
    "lenet-300-100-bn",
    "small-cnn",
    "wide-cnn",
    "vgg16-bn",
    "resnet20",
    "resnet56",
    "resnet18",
    "resnet50",
    "wrn-28-10",
]

MAX_EPOCHS = 10_000
"""Largest number of epochs that a config takes."""


class TrainingSettings(FrozenConfig):
    """Data, network, training and evaluation: what all studies that train networks share."""

    dataset: str = "digits"
    """What to learn from. digits and synthetic come with the package; for the others the message
    about missing files says where they are looked for and how to get them."""

    data_folder: str = ""
    """Where the files of the data set lie; empty for LATTICEWORK_DATA and the usual places. The
    content of the files names the run, not their place."""

    num_train: int = Field(default=0, ge=0)
    """Largest number of training images, of text of characters; 0 takes all that are not held
    out."""

    image_size: int = Field(default=64, ge=8, le=1024)
    """Side of the images of an imagefolder."""

    image_cache: str = ""
    """Folder where the decoded pictures of an imagefolder are kept, so that they are decoded once
    and need not fit into memory; empty decodes them in every process. It does not name the run."""

    model: str = "small-cnn"
    """Network; small-cnn has four convolutions and 33,338 parameters for gray images."""

    epochs: float = Field(default=10.0, gt=0.0, le=MAX_EPOCHS)
    """Epochs of the training from scratch, with a linear rate after 5 percent warm-up."""

    batch_size: int = Field(default=64, ge=1, le=65_536)
    """Images, or windows of text, per step."""

    learning_rate: float = Field(default=0.1, gt=0.0, le=10.0)
    """Largest learning rate."""

    weight_decay: float = Field(default=5e-4, ge=0.0, le=1.0)
    """Weight decay."""

    pad: int = Field(default=1, ge=0, le=16)
    """Width of the border for random crops of training images, in pixels."""

    flip: bool = False
    """Whether training images are mirrored at random."""

    clip: float = Field(default=1.0, gt=0.0)
    """Largest norm of a gradient."""

    mixed_precision: bool = False
    """Forward pass in bfloat16."""

    recalibration_images: int = Field(default=2000, ge=2)
    """Training images from which the statistics of batch normalization are re-estimated, for
    every model that is compared."""

    ood_images: int = Field(default=500, ge=0)
    """Test images that are corrupted to measure accuracy out of distribution; 0 for none."""

    ood_severities: tuple[int, ...] = (1, 3, 5)
    """Severities of the ten corruptions, within 1..5."""

    seeds: int = Field(default=3, ge=1, le=1000)
    """Repetitions of everything, each with a network of its own."""

    device: Device = "auto"
    """Where trainings run; on the CPU they repeat bit for bit."""

    checkpoint_steps: int = Field(default=500, ge=1)
    """Steps between two saves of a training that is running."""

    seed: int = Field(default=0, ge=0, le=2**62)
    """Root of all random numbers."""

    @model_validator(mode="after")
    def _severities(self) -> Self:
        if not set(self.ood_severities) <= {1, 2, 3, 4, 5}:
            raise ValueError(f"ood_severities {list(self.ood_severities)} must lie within 1..5")
        return self


class ImageTrainingConfig(TrainingSettings):
    """A training of a network of the library on images."""

    dataset: Images = "digits"
    """Images to learn from. digits and synthetic come with the package; for the others the message
    about missing files says where they are looked for and how to get them."""

    model: ImageModel = "small-cnn"
    """Network; small-cnn has four convolutions and 33,338 parameters for gray images."""
