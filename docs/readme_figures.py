"""The pictures of the README: parts of figures of runs, made small; see `make readme-figures`."""

import sys
from pathlib import Path

from PIL import Image

HEIGHT = 480
"""Pixels; the README shows them at less than half of that, so that they are sharp everywhere."""
COLORS = 128

PICTURES = {
    # Figure in the store -> part of it (left, top, right, bottom, as shares of its size).
    "curve": ("tcurve-census/*/figures/curve-7_cen.png", (0.02, 0.13, 0.7, 0.99)),
    "coverage": ("tcurve-census/*/figures/coverage-7.png", (0.03, 0.1, 1.0, 1.0)),
    "basis": ("sos-certify/*/figures/basis-robinson_times_norm2.png", (0.02, 0.11, 0.69, 0.98)),
    "coloring": ("plane-coloring/*/figures/polygons-5.png", (0.03, 0.11, 0.73, 0.955)),
    "filters": ("frank-wolfe/*/figures/filters.png", (0.05, 0.32, 0.564, 0.995)),
    "soup": ("sparse-soup/*/figures/soup.png", (0.67, 0.0, 1.0, 0.88)),
}


def small(picture: Image.Image, part: tuple[float, float, float, float]) -> Image.Image:
    """A part of a picture, `HEIGHT` pixels high, in few colors."""
    sides = zip(part, 2 * picture.size, strict=True)
    cut = picture.convert("RGB").crop(tuple(round(share * size) for share, size in sides))
    width = round(cut.width * HEIGHT / cut.height)
    return cut.resize((width, HEIGHT), Image.Resampling.LANCZOS).quantize(
        COLORS, Image.Quantize.MAXCOVERAGE
    )


def main(store: str, folder: str) -> None:
    """Write the pictures of the runs in a store into a folder."""
    for name, (pattern, part) in PICTURES.items():
        [figure] = Path(store).glob(pattern)
        with Image.open(figure) as picture:
            small(picture, part).save(Path(folder) / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
