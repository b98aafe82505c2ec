"""Models of the study `adaptive-networks` for use elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.frankwolfe.adaptive.networks.config import AdaptiveNetworksConfig
from tasks.frankwolfe.exports import export_trained
from tasks.nn.exports import Request
from tasks.records import Stored

__all__ = ["export_networks"]


def export_networks(
    stored: Stored, *, item: str = "", best: bool = False, onnx: bool = False, to: str = ""
) -> Iterator[str]:
    """Write a model of a run, verified before (`tasks.frankwolfe.exports`)."""
    yield from export_trained(stored, Request(item, best, onnx, to), AdaptiveNetworksConfig)
