"""Files of pictures: whole or not at all, and the same bytes for the same figure.

matplotlib is imported by the fields' figures only; a figure is seen here as a plain object.
"""

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tasks.records.errors import InputError
from tasks.records.report import Figure
from tasks.records.stored import Stored
from tasks.records.volume import Volume

# What matplotlib would write of itself and of the time.
_METADATA: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    ".svg": {"Creator": None, "Date": None, "Format": None, "Type": None},
}


_ORIGIN = "Origin"
_PNG_BEGIN, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"


def save_figure(figure: Any, path: str | Path, *, origin: str = "") -> None:
    """Write a matplotlib figure as PNG, PDF or SVG, with its own resolution.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : str or Path
        Local path or URI ending in .png, .pdf or .svg; missing folders are made.
    origin : str
        Digest of what a PNG shows, written into it, see `origin_of`.

    Raises
    ------
    InputError
        If the name ends otherwise.
    StoreError
        If the file cannot be written.
    """
    folder, _, name = str(path).rpartition("/")
    suffix = Path(name).suffix.lower()
    if suffix not in _METADATA:
        raise InputError(f"figure {path}: the name must end in {' or '.join(_METADATA)}")
    buffer = io.BytesIO()
    metadata: dict[str, str | None] = dict(_METADATA[suffix])
    if origin and suffix == ".png":
        metadata[_ORIGIN] = origin
    figure.savefig(buffer, format=suffix[1:], dpi="figure", metadata=metadata)
    Volume.open(folder or ("/" if str(path).startswith("/") else ".")).write(
        name, buffer.getvalue()
    )


def origin_of(content: bytes) -> str:
    """The origin that is written in a whole PNG file; empty if it has none."""
    if not content.startswith(_PNG_BEGIN) or not content.endswith(_PNG_END):
        return ""
    mark = f"tEXt{_ORIGIN}".encode() + b"\0"
    place = content.find(mark)
    if place < 0:
        return ""
    length = int.from_bytes(content[place - 4 : place]) - len(mark) + 4
    return content[place + len(mark) : place + len(mark) + length].decode("ascii", "replace")


def draw_figures(
    stored: Stored, figures: Iterable[Figure], *, only_missing: bool = False
) -> list[str]:
    """Draw pictures of a run; with `only_missing` those that are missing, damaged or outdated.

    Returns the places of all that are there.

    Raises
    ------
    StoreError
        The store cannot be written.
    """
    figures = list(figures)
    for figure in figures:
        origin = _origin(stored, figure)
        if not (only_missing and _is_current(stored, figure.path, origin)):
            save_figure(figure.draw(), stored.location(figure.path), origin=origin)
    return stored_figures(stored, figures)


def stored_figures(stored: Stored, figures: Iterable[Figure]) -> list[str]:
    """Places of the pictures that are there."""
    paths = [figure.path for figure in figures]
    return [stored.location(path) for path in paths if stored.run.volume.exists(path)]


def _origin(stored: Stored, figure: Figure) -> str:
    """Digest of the rows that a picture shows."""
    keys = {table: stored.run.stored_items(table) for table in figure.tables}
    chosen = [(t, k) for t, items in keys.items() for k in items if figure.key in ("", k)]
    texts = [f"{table} {key} {stored.content(table, key)}" for table, key in chosen]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:32]


def _is_current(stored: Stored, path: str, origin: str) -> bool:
    """Whether a picture is there, whole, and of these rows."""
    volume = stored.run.volume
    return volume.exists(path) and origin_of(volume.read(path).to_pybytes()) == origin
