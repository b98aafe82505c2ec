"""Models of the study `adaptive-networks` for use elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.frankwolfe.adaptive.networks.config import AdaptiveNetworksConfig
from tasks.frankwolfe.exports import export_models
from tasks.records import Stored

__all__ = ["export_networks"]


def export_networks(stored: Stored, **wanted: Any) -> Iterator[str]:
    """Write a model of a run, verified before (`tasks.frankwolfe.exports`)."""
    yield from export_models(stored, kind=AdaptiveNetworksConfig, **wanted)
