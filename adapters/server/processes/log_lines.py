"""Log lines on standard error.

A line that cannot be written (a full disk, a reader that has left) is lost; later ones are still written.
"""

import json
import os
from datetime import UTC, datetime

_STDERR = 2


class LogLines:
    """A text stream that writes whole lines to standard error.

    It counts the lines that cannot be written, and logs the count before the next one that can.
    """

    def __init__(self) -> None:
        self._lost = 0
        self._cut = False

    def write(self, line: str) -> int:
        try:
            if self._lost:
                self._put("\n" * self._cut + self._told())
                self._lost = 0
            self._put(line)
        except OSError:
            self._lost += 1
        return len(line)

    def flush(self) -> None:
        """Nothing is held back."""

    def _put(self, text: str) -> None:
        rest = text.encode(errors="backslashreplace")
        while rest:
            written = os.write(_STDERR, rest)
            self._cut, rest = written < len(rest), rest[written:]

    def _told(self) -> str:
        told = {"lines": self._lost, "event": "log_lines_lost", "level": "warning", "at": datetime.now(UTC).isoformat()}
        return json.dumps(told) + "\n"
