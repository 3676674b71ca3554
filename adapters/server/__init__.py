"""What serves: Granian's RSGI in front, Flask behind it."""

from adapters.server.bridge import Bridge
from adapters.server.front import Front

__all__ = ["Bridge", "Front"]
