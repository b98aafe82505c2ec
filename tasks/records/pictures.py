"""Files of pictures: whole or not at all, and the same bytes for the same figure.

matplotlib is imported by the fields' figures only; a figure is seen here as a plain object.
"""

import io
from pathlib import Path
from typing import Any

from tasks.records.errors import InputError
from tasks.records.volume import Volume

# What matplotlib would write of itself and of the time.
_METADATA: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def save_figure(figure: Any, path: str | Path) -> None:
    """Write a matplotlib figure as PNG or PDF, with its own resolution.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : str or Path
        Local path or URI ending in .png or .pdf; missing folders are made.

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
    figure.savefig(buffer, format=suffix[1:], dpi="figure", metadata=_METADATA[suffix])
    Volume.open(folder or ("/" if str(path).startswith("/") else ".")).write(
        name, buffer.getvalue()
    )
