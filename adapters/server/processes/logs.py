"""Logs: one JSON line for each event on standard error, ours and the libraries', with nothing personal in it.

JSON escapes line ends and control characters, so no value can begin a line of its own. Of an exception, the class and
the stack frames are logged, never the message, which may quote a request.
"""

import json
import logging
import logging.config
import sys
import traceback
from collections.abc import Mapping
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict

from adapters.server.processes.log_lines import LogLines

LONGEST = 500
"""Characters of a value that stay."""

_LINES = cast(TextIO, LogLines())
_SHARED: list[Any] = [
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
]


def configure_logs() -> None:
    """Configures logging for this process. Call it before anything is logged."""
    structlog.configure(
        processors=[*_SHARED, _kind_and_places, _cut, structlog.processors.JSONRenderer(_line)],
        logger_factory=structlog.WriteLoggerFactory(_LINES),
        cache_logger_on_first_use=True,
    )
    logging.captureWarnings(capture=True)
    logging.config.dictConfig(_CONFIGURATION)


def formatter() -> logging.Formatter:
    """Returns the formatter for records of the standard module `logging`, which libraries use."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _kind_and_places,
            _cut,
            structlog.processors.JSONRenderer(_line),
        ],
    )


_CONFIGURATION: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "adapters.server.processes.logs.formatter"}},
    "handlers": {"stderr": {"formatter": "line", "class": "logging.StreamHandler", "stream": _LINES}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {"psycopg": {"level": "ERROR"}},  # its warnings repeat what it raises: a lost connection is told by us
}


def _kind_and_places(_logger: object, _method: str, event: EventDict) -> EventDict:
    given = event.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else given[1] if isinstance(given, tuple) else sys.exc_info()[1]
    if given and error:
        frames = traceback.extract_tb(error.__traceback__)
        event["error"] = type(error).__name__
        event["frames"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-12:]]
    return event


def _cut(_logger: object, _method: str, event: EventDict) -> Mapping[str, Any]:
    return {name: value[:LONGEST] if isinstance(value, str) else value for name, value in event.items()}


def _line(event: Any, **given: Any) -> str:
    return json.dumps(event, **given)
