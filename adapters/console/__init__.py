"""HTML pages, rendered from responses of the query API. Other packages import from here only."""

from adapters.console.pages import console
