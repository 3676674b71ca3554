"""A client of the query API."""

import json
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from adapters.simulator.sender import TIMEOUT, Unreachable


class Reader:
    """A client of the query API at `base` (`http://host:port`). Raises Unreachable, also if the response is not 2xx."""

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
        """Returns all items of a list, which are requested page by page."""
        found, page = [], self.get(path, limit=100, **parameters)
        found += page["data"]
        while page.get("next_cursor"):
            page = self.get(path, cursor=page["next_cursor"])
            found += page["data"]
        return found
