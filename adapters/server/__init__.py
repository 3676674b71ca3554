"""What serves: Granian's RSGI in front, Flask behind it."""

from adapters.server.front import Front

__all__ = ["Front"]
