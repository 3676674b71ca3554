"""Hookfold's command line, but for the sealer: a service that it starts never seals."""

from io import BytesIO
from typing import Any

from app import main
from wiring.components import Components

__all__ = ["main"]


def _asleep(_: Components) -> Any:
    """What can be closed, and does nothing."""
    return BytesIO()


Components.sealer = _asleep  # type: ignore[assignment,method-assign]  # that is the point
