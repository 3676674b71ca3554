"""Streams as they were: as of a time, as known at a position, or both; and parts of long streams."""
