"""Colorings by cells: half-open parallelepipeds of a torus."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Sequence
from fractions import Fraction
from math import prod

from tasks.coloring.checker.bits import Padding, first_pair, residues
from tasks.coloring.checker.bodies import parallelepiped
from tasks.coloring.checker.documents import check_integer, check_keys, check_list, check_text
from tasks.coloring.checker.limits import MAX_BIT_STEPS, MAX_CELLS, Budget
from tasks.coloring.checker.searches import Search
from tasks.coloring.checker.spans import counted, percent
from tasks.coloring.checker.statements import Statement
from tasks.coloring.checker.verdicts import RefusedError, Verdict

REMOVED = 255


def check_cells(statement: Statement) -> Verdict:
    """Decide a coloring by cells.

    Raises
    ------
    RefusedError
        If its data is not as stated or too large.
    """
    shape, grid = parse_grid(statement)
    removed = Fraction(grid.count(REMOVED), len(grid))
    if statement.removed != removed:
        raise RefusedError(
            f"removed: {grid.count(REMOVED)} of {len(grid)} cells are removed, not the fraction "
            "that is stated"
        )
    vectors = [tuple(x / m for x in row) for row, m in zip(statement.lattice, shape, strict=True)]
    search = Search.of(statement, vectors, parallelepiped(vectors))
    fault = _first_fault(statement, shape, grid, search)
    if fault is not None:
        return Verdict("invalid", fault, {"form": "cells"})
    return Verdict(
        "valid",
        f"{counted(statement.num_colors)}, {grid.count(REMOVED)} of {len(grid)} cells removed "
        f"({percent(removed)} %), {search.count():,} offsets",
        {
            "form": "cells",
            "shape": list(shape),
            "colors": statement.num_colors,
            "removed": str(removed),
            "offsets": search.count(),
        },
    )


def _first_fault(
    statement: Statement, shape: Sequence[int], grid: bytes, search: Search
) -> str | None:
    """The first pair of cells of one color that can hold a distance forbidden to it."""
    budget = Budget(MAX_BIT_STEPS, "bits of cells times offsets")
    for color, intervals in enumerate(statement.forbidden):
        wanted = residues([run for each in intervals for run in search.runs[each]], shape)
        pair = first_pair(grid, color, wanted, Padding.of(shape, wanted), budget)
        if pair is not None:
            cell, residue = pair
            interval, offset = search.offset_of(residue, shape, intervals)
            other = tuple((x + d) % m for x, d, m in zip(cell, residue, shape, strict=True))
            return f"color {color}: cells {cell} and {other}, offset {offset}: " + search.span_text(
                offset, interval
            )
    return None


# --- reading ------------------------------------------------------------------------------------


def parse_grid(statement: Statement) -> tuple[tuple[int, ...], bytes]:
    """The shape and one byte per cell.

    Raises
    ------
    RefusedError
        If the data does not unpack to as many cells as the shape states, has another digest, or
        other colors than stated.
    """
    content = check_keys(statement.content, ("shape", "colors", "sha256"), "cells")
    shape = tuple(
        check_integer(m, 1, MAX_CELLS, "cells, shape")
        for m in check_list(content["shape"], "cells, shape", statement.dimension)
    )
    if prod(shape) > MAX_CELLS:
        raise RefusedError(f"cells: {prod(shape):,} of them; {MAX_CELLS:,} are allowed")
    grid = _unpacked(check_text(content["colors"], "cells, colors"), prod(shape))
    if hashlib.sha256(grid).hexdigest() != check_text(content["sha256"], "cells, sha256"):
        raise RefusedError("cells: the SHA-256 of the colors is not the one that is stated")
    others = grid.translate(None, bytes([*range(statement.num_colors), REMOVED]))
    if others:
        raise RefusedError(f"cells: the color {others[0]} where {statement.num_colors} are stated")
    return shape, grid


def _unpacked(text: str, size: int) -> bytes:
    """What a base64 text of a zlib stream unpacks to; never more than one byte too many."""
    try:
        stream = base64.b64decode(text, validate=True)
        unpacker = zlib.decompressobj()
        grid = unpacker.decompress(stream, size + 1)
        if len(grid) <= size and not unpacker.eof:
            grid += unpacker.decompress(unpacker.unconsumed_tail, size + 1 - len(grid))
    except (binascii.Error, ValueError) as error:
        raise RefusedError("cells: the colors are not base64") from error
    except zlib.error as error:
        raise RefusedError("cells: the colors are not a zlib stream") from error
    if len(grid) > size:
        raise RefusedError(f"cells: the colors unpack to more than the {size} of the shape")
    if len(grid) < size or not unpacker.eof:
        raise RefusedError(
            f"cells: the colors unpack to {len(grid)} bytes, of the {size} of the shape, or the "
            "stream is cut off"
        )
    if unpacker.unused_data:
        raise RefusedError("cells: bytes follow the stream of the colors")
    return grid
