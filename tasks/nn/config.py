"""Settings of studies that train networks on images, or on text too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from gpu.backend import Device
from tasks.records.config import FrozenConfig
from tasks.records.errors import unknown_name
from tasks.records.own_code import is_reference
from tasks.records.roots import absolute_place
from tasks.records.trust import trusted_modules

__all__ = [
    "MAX_EPOCHS",
    "TEXTS",
    "ImageModel",
    "ImageTrainingConfig",
    "Images",
    "NetworkNames",
    "Place",
    "Task",
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

Task = Literal["classification", "regression"]

MAX_EPOCHS = 10_000
"""Largest number of epochs that a config takes."""


class NetworkNames:
    """Annotation of a text: a built-in name, or a factory of one's own, ``package.module:name``.

    In a form it is a choice of the built-in names; where a worker trusts modules
    (LATTICEWORK_TRUSTED_MODULES), a text is allowed, too.
    """

    def __init__(self, *names: str) -> None:
        self.names = names

    def check(self, name: str) -> str:
        """Refuse what is neither."""
        if name not in self.names and not is_reference(name):
            known = [*self.names, "package.module:function", "FILE.py:function"]
            raise ValueError(unknown_name("model", name, known))
        return name if name in self.names else _anywhere(name)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        """The schema of the text, with the check behind it."""
        return handler(Annotated[source, AfterValidator(self.check)])

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """For forms."""
        choice: dict[str, Any] = {"type": "string", "enum": list(self.names)}
        modules = "|".join(map(re.escape, sorted(trusted_modules())))
        own = {"type": "string", "pattern": f"^({modules})(:.+)?$", "title": "your own"}
        return {"anyOf": [choice, own]} if modules else choice


def _anywhere(text: str) -> str:
    """A path that means the same in any folder; names of functions stay as they are."""
    path, colon, name = text.rpartition(":")
    if path.endswith(".py"):
        return f"{absolute_place(path)}{colon}{name}"
    return text if is_reference(text) else absolute_place(text)


Place = Annotated[str, AfterValidator(_anywhere)]
"""A path, a URI, or the name of a function."""


class TrainingSettings(FrozenConfig):
    """Data, network, training and evaluation: what all studies that train networks share."""

    dataset: str = "digits"
    """What to learn from. digits and synthetic come with the package; for the others the message
    about missing files says where they are looked for and how to get them."""

    data_folder: Place = ""
    """Where the files of the data set lie; empty for LATTICEWORK_DATA and the usual places. The
    content of the files names the run, not their place."""

    num_train: int = Field(default=0, ge=0)
    """Largest number of training images, of text of characters; 0 takes all that are not held
    out."""

    data: Place = ""
    """Data of your own in place of the data set: FILE.npz with the arrays x and y (also x_val,
    y_val, x_test, y_test), a folder with train/CLASS/ and val/CLASS/ full of pictures, or a
    function, package.module:name, that returns such arrays. Its content names the run."""

    task: Task = "classification"
    """What is learned of data of your own: classes, or numbers."""

    mean: tuple[float, ...] = ()
    """Subtracted from every channel or column of the inputs; one number stands for all. Empty for
    the mean of the training data. Of pictures for values from 0 to 1."""

    deviation: tuple[float, ...] = ()
    """What every channel or column is divided by then, alike."""

    image_size: int = Field(default=64, ge=8, le=1024)
    """Side of the images of an imagefolder."""

    image_cache: str = ""
    """Folder where the decoded pictures of an imagefolder are kept, so that they are decoded once
    and need not fit into memory; empty decodes them in every process. It does not name the run."""

    model: str = "small-cnn"
    """Network: a built-in one, or a function of your own that returns a torch.nn.Module,
    package.module:name or FILE.py:name, or timm:NAME where timm is installed. It is called with
    those of num_classes (or num_outputs), in_channels (or in_chans) and shape that it takes.
    small-cnn has four convolutions and 33,338 parameters for gray images."""

    checkpoint: Place = ""
    """Weights that everything starts from, in place of a training from scratch: a state dict as
    .safetensors or .pt, or a folder that was exported. epochs and learning_rate tell of the
    training behind it. mean and deviation have to be given, unless it is an exported folder."""

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

    @model_validator(mode="after")
    def _own_data(self) -> Self:
        if self.task == "regression" and not self.data:
            raise ValueError(f"task regression needs data of your own; {self.dataset} has classes")
        if self.data and self.data_folder:
            raise ValueError("data_folder is of a data set; data names its own place")
        if any(not value > 0 for value in self.deviation):
            raise ValueError(f"deviation {list(self.deviation)} must be positive")
        if bool(self.mean) != bool(self.deviation):
            raise ValueError("give both of mean and deviation, or none")
        return self

    @property
    def data_name(self) -> str:
        """What the data are called: the end of their place, or the data set."""
        return self.data.rstrip("/").rpartition("/")[2] or self.dataset

    def weight_files(self) -> Mapping[str, tuple[str, ...]]:
        """Fields that name files of weights, which trainings start from or which are merged."""
        return {"checkpoint": (self.checkpoint,)} if self.checkpoint else {}

    def own_code(self) -> Mapping[str, str]:
        """Fields that name functions of one's own."""
        return {
            key: getattr(self, key) for key in ("model", "data") if is_reference(getattr(self, key))
        }


class ImageTrainingConfig(TrainingSettings):
    """A training of a network on images, or on data of one's own."""

    dataset: Images = "digits"
    """Images to learn from. digits and synthetic come with the package; for the others the message
    about missing files says where they are looked for and how to get them."""

    model: Annotated[str, NetworkNames(*get_args(ImageModel))] = "small-cnn"
    """Network: a built-in one, or a function of your own that returns a torch.nn.Module,
    package.module:name or FILE.py:name, or timm:NAME where timm is installed. It is called with
    those of num_classes (or num_outputs), in_channels (or in_chans) and shape that it takes.
    small-cnn has four convolutions and 33,338 parameters for gray images."""
