"""Code that deployments may run: parameters of a deployment may come from anybody."""

from __future__ import annotations

import os
from collections.abc import Mapping

from tasks.records.errors import InputError
from tasks.records.own_code import find_code

__all__ = ["TRUSTED_VARIABLE", "check_trusted", "trusted_modules"]

TRUSTED_VARIABLE = "LATTICEWORK_TRUSTED_MODULES"
"""Modules, or functions module:name, separated by commas, that deployments may name."""


def trusted_modules() -> frozenset[str]:
    """Modules, or functions ``module:name``, that deployments may name."""
    names = os.environ.get(TRUSTED_VARIABLE, "").split(",")
    return frozenset(name.strip() for name in names) - {""}


def check_trusted(references: Mapping[str, str]) -> None:
    """Refuse code that a deployment may not run.

    Parameters
    ----------
    references : mapping
        Field of a config -> reference.

    Raises
    ------
    InputError
    """
    trusted = trusted_modules()
    for key, reference in references.items():
        module, _, name = reference.rpartition(":")
        if f"{module}:{name}" not in trusted and not (
            module in trusted and "." not in name and _is_defined_in(module, reference)
        ):
            raise InputError(
                f"{key}: {reference} is not allowed in a deployment: take a built-in name, or list "
                f"the module that defines it in {TRUSTED_VARIABLE} of the worker"
            )


def _is_defined_in(module: str, reference: str) -> bool:
    """Whether a trusted module defines an object itself: what it imports is not trusted."""
    return getattr(find_code(reference).load(), "__module__", "") == module
