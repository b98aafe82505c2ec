"""Animations: numbered pictures in a folder, and one moving picture of them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from tasks.records import InputError
from tasks.records.pictures import save_figure
from tasks.records.volume import Volume

__all__ = ["write_frames", "write_gif"]

_NUM_COLORS = 64
"""Of a moving picture: fills, and shades of the lines between them."""


def write_frames(figures: Iterable[Any], folder: str | Path) -> list[str]:
    """Write figures as ``frame-0000.png``, ``frame-0001.png``, ...; their names.

    Figures are drawn one after the other, so a generator needs the memory of one.

    Raises
    ------
    InputError
        If there are no figures.
    StoreError
        If a file cannot be written.
    """
    names = []
    for number, figure in enumerate(figures):
        names.append(f"frame-{number:04d}.png")
        save_figure(figure, f"{folder}/{names[-1]}")
    if not names:
        raise InputError("an animation needs one frame or more; none was given")
    return names


def write_gif(
    folder: str | Path, names: Iterable[str], name: str, *, seconds: float = 0.2, width: int = 800
) -> None:
    """Write frames of a folder as one GIF file beside them, which repeats without end.

    Parameters
    ----------
    folder : str or Path
    names : iterable of str
        The frames, in order, as `write_frames` returns them.
    name : str
        Of the file, ending in .gif.
    seconds : float
        Between frames; browsers show no less than 0.02.
    width : int
        In pixels.

    Raises
    ------
    InputError
        If the name ends otherwise, there are no frames, or the numbers are not positive.
    StoreError
        If a file cannot be read or written.
    """
    if not name.endswith(".gif") or seconds <= 0 or width <= 0:
        raise InputError(
            f"an animation needs a name in .gif, seconds and a width above 0, "
            f"not {name!r}, {seconds} and {width}"
        )
    volume = Volume.open(folder)
    frames = [_small(volume.read(frame).to_pybytes(), width) for frame in names]
    if not frames:
        raise InputError("an animation needs one frame or more; none was given")
    palette = _stacked(frames).quantize(_NUM_COLORS)
    first, *others = (frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames)
    buffer = io.BytesIO()
    first.save(
        buffer,
        "GIF",
        save_all=True,
        append_images=others,
        duration=round(1000 * seconds),
        loop=0,
    )
    volume.write(name, buffer.getvalue())


def _small(content: bytes, width: int) -> Image.Image:
    image = Image.open(io.BytesIO(content)).convert("RGB")
    height = round(image.height * width / image.width)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _stacked(frames: Sequence[Image.Image]) -> Image.Image:
    """All frames, small, below one another: what their common colors are chosen from."""
    size = (160, max(1, 160 * frames[0].height // frames[0].width))
    stack = Image.new("RGB", (size[0], size[1] * len(frames)))
    for number, frame in enumerate(frames):
        stack.paste(frame.resize(size, Image.Resampling.NEAREST), (0, number * size[1]))
    return stack
