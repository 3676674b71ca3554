"""What the suite looks for in the lines of its own process is found there, captured or not."""

import logging

import pytest
import structlog
from structlog.testing import capture_logs

from tests.support.watched_logs import no_leak


def test_a_line_that_tells_an_address_is_found():
    with pytest.raises(AssertionError, match="ann@"), no_leak():
        structlog.get_logger().info("seen", path="/in/ann@example.com")


def test_a_line_that_a_test_captures_is_looked_through_as_well():
    with pytest.raises(AssertionError, match="ann@"), no_leak(), capture_logs():
        structlog.get_logger().bind(by="ann@example.com").warning("seen")


def test_a_line_of_a_library_is_looked_through():
    with pytest.raises(AssertionError, match="ann@"), no_leak():
        logging.getLogger("asyncio").warning("lost %s", "ann@example.com")


def test_lines_as_they_are_meant_are_taken():
    with no_leak():
        structlog.get_logger().info("seen", source="clinic", exc_info=ValueError("ann@example.com"))
