"""Pages for people, rendered here of the query API's answers. This is the folder's whole face."""

from adapters.console.pages import console
