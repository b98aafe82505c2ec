"""Images to learn from: data sets by name, batches, augmentation, corruptions."""

from tasks.nn.data.augmentation import Augmentation
from tasks.nn.data.batches import (
    NO_AUGMENTATION,
    ImageBatches,
    evaluation_batches,
    steps_per_epoch,
)
from tasks.nn.data.corruptions import CORRUPTIONS, SEVERITIES, corrupted
from tasks.nn.data.datasets import Dataset, Split, assemble
from tasks.nn.data.sources import DATASETS, DatasetName, load_dataset
from tasks.nn.data.synthetic import synthetic_images

__all__ = [
    "CORRUPTIONS",
    "DATASETS",
    "NO_AUGMENTATION",
    "SEVERITIES",
    "Augmentation",
    "Dataset",
    "DatasetName",
    "ImageBatches",
    "Split",
    "assemble",
    "corrupted",
    "evaluation_batches",
    "load_dataset",
    "steps_per_epoch",
    "synthetic_images",
]
