"""What the checker answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["valid", "invalid", "refused"]
"""Proved; well formed but wrong; not a certificate of this version, or beyond the limits."""


class RefusedError(ValueError):
    """A file that is not a certificate of this version, or beyond the limits; one line says why."""


@dataclass(frozen=True)
class Verdict:
    """The answer for one file.

    Attributes
    ----------
    state
        "valid", "invalid" or "refused".
    reason
        One line of ASCII: what was proved, what is wrong, or why it was refused.
    details
        Figures by name, for JSON.
    """

    state: State
    reason: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.state}: {self.reason}"


def shortened(value: object, length: int = 40) -> str:
    """A value of a JSON object in a few ASCII characters."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = ascii(value[: length + 1] if isinstance(value, str) else value)
    return text if len(text) <= length + 2 else text[:length] + "..."
