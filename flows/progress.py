"""Progress of a flow's steps, for whoever watches it.

A step tells its progress to the listener of its context: the command line's bar. In a deployed run,
where nobody listens, it keeps a Prefect progress artifact, written at most once a second.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

from workers.stages import Listener, StageProgress

__all__ = ["announce", "listening", "reporter"]


_LISTENER: ContextVar[Listener | None] = ContextVar("progress_listener", default=None)
ARTIFACT_SECONDS = 1.0


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Tell the progress of every step in this context to `listener`."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def announce(step: str) -> None:
    """Tell the listener, if there is one, that a step without items begins."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(StageProgress(step))


def reporter(step: str, *, publish: bool = False) -> Listener:
    """Who is to hear of a step's progress: the listener, else a Prefect artifact.

    With `publish`, an artifact is kept in any case.
    """
    listener = _LISTENER.get()
    if listener is not None and not publish:
        return listener
    artifact = ProgressArtifact(step)
    if listener is None:
        return artifact.update

    def tell_both(progress: StageProgress) -> None:
        listener(progress)
        artifact.update(progress)

    return tell_both


class ProgressArtifact:
    """Percentage of items done, as an artifact of the running Prefect task."""

    def __init__(self, step: str) -> None:
        self.step = step
        self._id: UUID | None = None
        self._written = float("-inf")

    def update(self, progress: StageProgress) -> None:
        """Write the artifact, if the last writing is a second ago or everything is done."""
        is_last = progress.finished >= progress.total
        now = time.monotonic()
        if progress.total == 0 or (now - self._written < ARTIFACT_SECONDS and not is_last):
            return
        self._written = now
        found = f"; {progress.note}" if progress.note else ""
        description = f"{self.step}: {progress.finished} of {progress.total} items done{found}"
        self._write(100.0 * progress.finished / progress.total, description)

    def _write(self, percent: float, description: str) -> None:
        # Imported here: this module belongs to the command's quick start.
        from prefect.artifacts import create_progress_artifact, update_progress_artifact

        if self._id is not None:
            update_progress_artifact(self._id, percent, description)
            return
        created = create_progress_artifact(percent, description=description)
        self._id = created if isinstance(created, UUID) else None
