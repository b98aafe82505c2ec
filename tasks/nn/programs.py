"""Networks that stand alone: inputs as they come, outputs as people read them.

With f the network, a raw input x is float32: bytes 0 to 255 of pictures (N, C, H, W), else the
numbers of the data, (N, D) or (N, C, ...).

    classes   probabilities (N, K) = softmax(f((x / 255 - mean) / deviation))
    numbers   values (N, K) = f((x / 255 - mean) / deviation) * target deviation + target mean

Only pictures are divided by 255.  Such a network is written as a program of ``torch.export``, which
runs where there is PyTorch alone, or as ONNX.  The number of examples is free in both.
"""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import BytesIO, StringIO
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from tasks.nn.evaluation import evaluating
from tasks.records import InputError

__all__ = [
    "INPUT",
    "Description",
    "Standalone",
    "check_onnx",
    "export_program",
    "onnx_bytes",
    "plain_reason",
    "program_bytes",
    "read_program",
]

INPUT = "inputs"
ONNX_PACKAGES = ("onnx", "onnxscript")
_TRIALS = 5
"""Examples on which program and network are compared; it is traced with another number."""
_PLAIN = {
    "data-dependent": "its course depends on the values of its inputs",
    "Constraints violated": "it takes one number of examples only",
}
"""What PyTorch says -> what it means."""
_CLOSE = 1e-4
"""Largest difference of their outputs, relative to the scale of these."""


@dataclass(frozen=True)
class Description:
    """What ``model.json`` says of inputs and outputs.

    Attributes
    ----------
    shape : tuple of int
        Of an example.
    takes_pictures : bool
        Whether inputs are bytes.
    mean, deviation : tuple of float
        One, or one for each channel or column.
    classes : tuple of str
        Names; empty where outputs are numbers.
    num_outputs : int
    target_mean, target_deviation : tuple of float
        Of outputs that are numbers.
    """

    shape: tuple[int, ...]
    takes_pictures: bool
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    classes: tuple[str, ...]
    num_outputs: int
    target_mean: tuple[float, ...] = ()
    target_deviation: tuple[float, ...] = ()

    @classmethod
    def read(cls, about: Mapping[str, Any]) -> Self:
        """From the content of the file.

        Raises
        ------
        InputError
            If entries are missing or have other types, or if the network reads text.
        """
        try:
            network, given, output = about["architecture"], about["input"], about.get("output", {})
            if given["kind"] == "text":
                raise InputError("it is a network of text, which has no examples of one shape")
            found = cls(
                shape=tuple(map(int, network["shape"])),
                takes_pictures=given["kind"] == "pictures",
                mean=tuple(map(float, given["mean"])),
                deviation=tuple(map(float, given["deviation"])),
                classes=tuple(map(str, about.get("classes", ()))),
                num_outputs=int(network["num_classes"]),
                target_mean=tuple(map(float, output.get("mean", ()))),
                target_deviation=tuple(map(float, output.get("deviation", ()))),
            )
            found._check()
            return found
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            if isinstance(error, InputError):
                raise
            what = f"{type(error).__name__}: {error}"
            raise InputError(f"model.json does not describe a model ({what})") from error

    def _check(self) -> None:
        """Refuse numbers that do not fit one another."""
        inputs = {"mean": self.mean, "deviation": self.deviation}
        outputs = {"mean": self.target_mean, "deviation": self.target_deviation}
        of_outputs = {"classes": self.classes} if self.classes else outputs
        for name, values in inputs.items():
            if len(values) not in (1, self.shape[0]):
                raise ValueError(f"{name} has {len(values)} numbers for shape {self.shape}")
        for name, values in of_outputs.items():
            if len(values) != self.num_outputs:
                raise ValueError(f"{name} has {len(values)} entries for {self.num_outputs} outputs")

    @property
    def output(self) -> str:
        """Name of the output of a program."""
        return "probabilities" if self.classes else "values"

    def of_program(self, file: str) -> dict[str, Any]:
        """What a program gets and gives, for ``model.json``."""
        values = "bytes 0 to 255 as floats" if self.takes_pictures else "as in the data"
        return {
            "file": file,
            "torch": torch.__version__,
            "input": {
                "name": INPUT,
                "type": "float32",
                "shape": ["batch", *self.shape],
                "values": f"{values}; normalized inside",
            },
            "output": {"name": self.output, "shape": ["batch", self.num_outputs]},
        }

    def some_inputs(self, count: int) -> Tensor:
        """Random raw inputs like those of the data, always the same."""
        draws = torch.randn(count, *self.shape, generator=torch.Generator().manual_seed(0))
        values = draws * _shaped(self.deviation, self.shape) + _shaped(self.mean, self.shape)
        return (values.clamp(0, 1) * 255).round() if self.takes_pictures else values


class Standalone(nn.Module):
    """A network with everything that comes before and after it.

    Parameters
    ----------
    network : torch.nn.Module
        From normalized inputs to logits, or to scaled numbers.
    about : Description
    """

    mean: Tensor
    deviation: Tensor
    target_mean: Tensor
    target_deviation: Tensor

    def __init__(self, network: nn.Module, about: Description) -> None:
        super().__init__()
        self.network = network
        self.about = about
        self.register_buffer("mean", _shaped(about.mean, about.shape))
        self.register_buffer("deviation", _shaped(about.deviation, about.shape))
        if not about.classes:
            self.register_buffer("target_mean", torch.tensor(about.target_mean))
            self.register_buffer("target_deviation", torch.tensor(about.target_deviation))

    def forward(self, inputs: Tensor) -> Tensor:
        """Raw inputs float32 (N, ...) to probabilities or values (N, K)."""
        scaled = inputs / 255 if self.about.takes_pictures else inputs
        outputs = self.network((scaled - self.mean) / self.deviation)
        if self.about.classes:
            return outputs.softmax(dim=1)
        numbers = outputs.reshape(inputs.shape[0], self.about.num_outputs)
        return numbers * self.target_deviation + self.target_mean


def _shaped(values: tuple[float, ...], shape: tuple[int, ...]) -> Tensor:
    """One number for each channel or column, as it acts on examples."""
    return torch.tensor(values).view(-1, *[1] * (len(shape) - 1))


# --- programs -----------------------------------------------------------------------------------


def export_program(
    network: nn.Module, about: Description, whole: nn.Module | None = None
) -> ExportedProgram:
    """Program of a network on the CPU, with normalization inside, for any number of examples.

    Parameters
    ----------
    network : torch.nn.Module
    about : Description
    whole : torch.nn.Module, optional
        A network that computes the same, such as one with the filters that were cut out; the
        outputs of the program are compared with its.

    Raises
    ------
    InputError
        If what the network computes depends on values in a way that cannot be traced, or if the
        outputs are others.
    """
    model = Standalone(network, about).eval()
    program = _traced(model, about.some_inputs(2))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine
    _compare(program, Standalone(whole or network, about), about)
    return program


def _traced(model: nn.Module, inputs: Tensor) -> ExportedProgram:
    try:
        with _quiet():
            return torch.export.export(model, (inputs,), dynamic_shapes=({0: Dim.DYNAMIC},))
    except Exception as error:
        raise InputError(f"torch.export cannot follow it: {plain_reason(error)}") from error


def _compare(program: ExportedProgram, model: nn.Module, about: Description) -> None:
    """Refuse a program that computes something else."""
    inputs = about.some_inputs(_TRIALS)
    with evaluating(model), torch.no_grad():
        wanted, found = (f(inputs).nan_to_num() for f in (model, program.module()))
    scale = 1.0 if about.classes else torch.tensor(about.target_deviation)
    difference = float(((found - wanted) / scale).abs().max())
    if not difference <= _CLOSE * (1 + float((wanted / scale).abs().max())):
        raise InputError(f"outputs of its program differ by {difference:.2g}")


def program_bytes(program: ExportedProgram) -> bytes:
    """Content of a .pt2 file."""
    buffer = BytesIO()
    with _quiet():
        torch.export.save(program, buffer)
    return buffer.getvalue()


def read_program(content: bytes) -> nn.Module:
    """The module of a .pt2 file, which needs no code but PyTorch.

    Raises
    ------
    InputError
        If it is damaged.
    """
    try:
        with _quiet():
            return torch.export.load(BytesIO(content)).module()
    except Exception as error:
        raise InputError(f"model.pt2 cannot be read: {plain_reason(error)}") from error


# --- ONNX ---------------------------------------------------------------------------------------


def check_onnx() -> None:
    """Refuse ONNX where what writes it is not installed.

    Raises
    ------
    InputError
    """
    missing = [name for name in ONNX_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"--onnx needs {' and '.join(ONNX_PACKAGES)}; {missing[0]} is not installed: run "
            "pip install 'latticework[onnx]'"
        )


def onnx_bytes(program: ExportedProgram, about: Description) -> bytes:
    """Content of an .onnx file.

    Raises
    ------
    InputError
        If an operation of the network has no counterpart there.
    """
    try:
        with _quiet():
            found = torch.onnx.export(
                program, input_names=[INPUT], output_names=[about.output], verbose=False
            )
            if found is None:
                raise InputError("nothing was written")
            model = found.model_proto
            for value in (*model.graph.input, *model.graph.output):
                value.type.tensor_type.shape.dim[0].dim_param = "batch"
            return model.SerializeToString()
    except Exception as error:
        raise InputError(f"torch.onnx cannot write it: {plain_reason(error)}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what PyTorch prints and logs for its developers."""
    was = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(StringIO()), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(was)


def plain_reason(error: Exception) -> str:
    """Kind and first line of what was raised."""
    text = (str(error).strip() or "without a message").splitlines()[0]
    for words, plain in _PLAIN.items():
        if words in text:
            return plain
    return f"{type(error).__name__}: {text}"
