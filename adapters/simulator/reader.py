"""Asks a Hookfold over HTTP, as any program may."""

import json
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from adapters.simulator.sender import TIMEOUT, Unreachable


class Reader:
    """Asks under `base` (`http://host:port`). Raises Unreachable, also for an answer that is no 2xx."""

    def __init__(self, base: str) -> None:
        self.base = base

    def get(self, path: str, **parameters: str | int) -> Any:
        """The JSON under a path."""
        url = f"{self.base}{path}" + (f"?{urlencode(parameters)}" if parameters else "")
        try:
            with urlopen(url, timeout=TIMEOUT) as response:  # noqa: S310 - the base is a URL of ours
                return json.load(response)
        except (URLError, OSError) as error:
            raise Unreachable(f"{url}: {error}") from error

    def all(self, path: str, **parameters: str | int) -> list[Any]:
        """Everything that a list holds, page by page."""
        found, page = [], self.get(path, limit=100, **parameters)
        found += page["data"]
        while page.get("next_cursor"):
            page = self.get(path, cursor=page["next_cursor"])
            found += page["data"]
        return found
