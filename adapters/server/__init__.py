"""What serves: Granian's RSGI in front, Flask behind it, and one process that writes."""

from adapters.server.bridge import SHARED, Bridge
from adapters.server.front import Front
from adapters.server.link import Link
from adapters.server.logs import CONFIGURATION, configure_logs
from adapters.server.process import WRITER, end_with_parent, write_for_parent, writing
from adapters.server.writer import Writer

__all__ = [
    "CONFIGURATION",
    "SHARED",
    "WRITER",
    "Bridge",
    "Front",
    "Link",
    "Writer",
    "configure_logs",
    "end_with_parent",
    "write_for_parent",
    "writing",
]
