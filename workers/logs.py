"""Log lines that travel from the worker to the driver.

During a call every record of level INFO or above of the project's loggers is collected on the
worker and returned with the outcome; the driver hands it to the logger of the same name, so that
whoever listens there (a terminal, a flow run) sees it with the item's key and host in front.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

LOGGERS = ("tasks", "gpu", "workers")
MAX_LINES = 500
"""Lines kept per call; a call that logs in a loop must not fill the driver's memory."""


@dataclass(frozen=True)
class LogLine:
    """One log record as plain data: logger, level number, text, seconds since the epoch."""

    logger: str
    level: int
    message: str
    created: float


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[LogLine] = []
        self.dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        if len(self.lines) >= MAX_LINES:
            self.dropped += 1
            return
        # Formatted here: the arguments of a record need not be picklable.
        self.lines.append(LogLine(record.name, record.levelno, self.format(record), record.created))

    def finish(self) -> tuple[LogLine, ...]:
        if not self.dropped:
            return tuple(self.lines)
        last = self.lines[-1]
        text = f"{self.dropped} further log lines were dropped"
        return (*self.lines, LogLine(last.logger, logging.WARNING, text, last.created))


@contextmanager
def collected_logs(*, lower_levels: bool) -> Iterator[_Collector]:
    """Collect the project's log records while the block runs.

    With `lower_levels`, loggers that would drop INFO are opened for it; for a worker, where nobody
    has configured logging. In the driver's own process levels are left alone.
    """
    collector = _Collector()
    with ExitStack() as stack:
        for name in LOGGERS:
            logger = logging.getLogger(name)
            logger.addHandler(collector)
            stack.callback(logger.removeHandler, collector)
            if lower_levels and not logger.isEnabledFor(logging.INFO):
                stack.callback(logger.setLevel, logger.level)
                logger.setLevel(logging.INFO)
        yield collector


def emit(lines: Iterable[LogLine], key: str, host: str) -> None:
    """Hand the lines of one call to the loggers they come from, as ``[key@host] text``."""
    for line in lines:
        logger = logging.getLogger(line.logger)
        if not logger.isEnabledFor(line.level):
            continue
        text = f"[{key}@{host}] {line.message}"
        record = logger.makeRecord(line.logger, line.level, "", 0, text, (), None)
        record.created = line.created
        logger.handle(record)
