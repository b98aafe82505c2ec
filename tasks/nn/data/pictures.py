"""Pictures of any format as bytes: scaled so that they cover a size, cut to it around the middle.

Of gray pictures of 16 bits the full range becomes that of 8 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from tasks.records import InputError

__all__ = ["MODES", "Picture", "read_picture"]

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Channels -> Pillow's name of such pictures."""
_DEEP = ("I;16", "I;16B", "I;16L", "I;16N", "I")
"""Modes of gray pictures of 16 bits."""


@dataclass(frozen=True, eq=False)
class Picture:
    """Bytes of a picture, and what it was before.

    Attributes
    ----------
    values : uint8 array (C, H, W)
    is_deep : bool
        Whether it had 16 bits.
    shorter_side : int
    """

    values: np.ndarray
    is_deep: bool
    shorter_side: int


def read_picture(
    source: Path | BytesIO, size: tuple[int, int], *, channels: int = 3, name: str = ""
) -> Picture:
    """Picture of a file.

    Parameters
    ----------
    source : path or file
    size : (int, int)
        Height and width.
    channels : int
        1 for gray, 3 for colors, 4 for colors with opacity.
    name : str
        For messages; the path by default.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    height, width = size
    try:
        with Image.open(source) as opened:
            mode, least = opened.mode, min(opened.size)
            picture = _eight_bits(opened).convert(MODES[channels])
            scale = max(width / picture.width, height / picture.height)
            wide = max(round(scale * picture.width), width)
            high = max(round(scale * picture.height), height)
            scaled = picture.resize((wide, high), Image.Resampling.BILINEAR)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        reason = "its format is not known" if name and "cannot identify" in f"{error}" else error
        raise InputError(f"{name or source}: is no picture that can be read: {reason}") from error
    left, top = (wide - width) // 2, (high - height) // 2
    cut = np.asarray(scaled.crop((left, top, left + width, top + height)))
    return Picture(cut.reshape(height, width, channels).transpose(2, 0, 1), mode in _DEEP, least)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Of a gray picture of 16 bits its full range in 8 bits."""
    if picture.mode not in _DEEP:
        return picture
    values = np.asarray(picture).astype(np.int64).clip(0, 65535)
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))
