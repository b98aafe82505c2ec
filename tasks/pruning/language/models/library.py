"""The library transformers, which is optional: it is imported when a model is wanted, never before.

Everything is read from this machine.  The library is told so with every call, and code that comes
with a model is never run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from tasks.records import InputError

__all__ = ["LOCAL", "quiet", "transformers"]

LOCAL = {"local_files_only": True, "trust_remote_code": False}
"""Arguments of every call that reads a folder."""


def transformers(purpose: str) -> ModuleType:
    """The library.

    Parameters
    ----------
    purpose : str
        Begins the message if it is missing, e.g. ``model folder``.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        import transformers as library
    except ImportError as error:
        raise InputError(
            f"{purpose} needs the extra language: pip install 'latticework[language]'"
        ) from error
    return library


@contextmanager
def quiet() -> Iterator[None]:
    """Without the library's progress bars and remarks."""
    from transformers.utils import logging

    level, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()
