"""Pictures of any format as bytes: scaled so that they cover a size, cut to it around the middle.

Arrays, also of pictures: (N, H, W), (N, H, W, C) or (N, C, H, W) of 8 or 16 bits.
Of gray pictures of 16 bits the full range becomes that of 8 bits.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tasks.records import InputError

__all__ = [
    "MODES",
    "Picture",
    "picture_kind",
    "picture_tensor",
    "read_picture",
]

logger = logging.getLogger(__name__)

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Channels -> Pillow's name of such pictures."""
_DEEP = ("I;16", "I;16B", "I;16L", "I;16N", "I")
"""Modes of gray pictures of 16 bits; of I also more."""
_DEEPEST = 65535
_CHANNELS = (1, 3, 4)


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
        If it cannot be read, or has values of more than 16 bits.
    """
    height, width = size
    try:
        with Image.open(source) as opened:
            mode, least = opened.mode, min(opened.size)
            _check_depth(f"{name or source}", opened)
            picture = _eight_bits(opened).convert(MODES[channels])
            scale = max(width / picture.width, height / picture.height)
            wide = max(round(scale * picture.width), width)
            high = max(round(scale * picture.height), height)
            scaled = picture.resize((wide, high), Image.Resampling.BILINEAR)
    except InputError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        reason = "its format is not known" if name and "cannot identify" in f"{error}" else error
        raise InputError(f"{name or source}: cannot be read as a picture: {reason}") from error
    left, top = (wide - width) // 2, (high - height) // 2
    cut = np.asarray(scaled.crop((left, top, left + width, top + height)))
    return Picture(cut.reshape(height, width, channels).transpose(2, 0, 1), mode in _DEEP, least)


def _check_depth(name: str, picture: Image.Image) -> None:
    """Refuse numbers with a fraction, and whole ones beyond 16 bits, of which no range is known."""
    values = np.asarray(picture) if picture.mode == "I" else np.zeros(1)
    if picture.mode == "F" or values.min() < 0 or values.max() > _DEEPEST:
        raise InputError(f"{name} has 32-bit values; save it with 8 or 16 bits")


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Of a gray picture of 16 bits its full range in 8 bits."""
    if picture.mode not in _DEEP:
        return picture
    values = np.asarray(picture).astype(np.int64)
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


# --- arrays --------------------------------------------------------------------------------------


def picture_kind(values: np.ndarray) -> str:
    """``8-bit pictures``, ``16-bit pictures`` or ``numbers``."""
    if values.ndim not in (3, 4) or values.dtype not in (np.uint8, np.uint16, np.int16):
        return "numbers"
    if values.dtype == np.int16 and values.min() < 0:
        return "numbers"
    return f"{8 * values.dtype.itemsize}-bit pictures"


def picture_tensor(what: str, values: np.ndarray) -> Tensor:
    """Pictures (N, C, H, W), bytes or of 16 bits float32 in [0, 1]."""
    pictures = _channels_first(values)
    if values.dtype == np.uint8:
        return torch.from_numpy(pictures)
    logger.warning("%s: 16-bit pictures, 0 to 65535 becomes 0 to 1", what)
    return torch.from_numpy((pictures / _DEEPEST).astype(np.float32))


def _channels_first(pictures: np.ndarray) -> np.ndarray:
    """(N, C, H, W)."""
    if pictures.ndim == 3:
        return np.ascontiguousarray(pictures[:, None])
    if pictures.shape[1] not in _CHANNELS and pictures.shape[3] in _CHANNELS:
        return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))
    return np.ascontiguousarray(pictures)
