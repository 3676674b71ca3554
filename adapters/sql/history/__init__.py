"""Streams in the past, by either time axis or both, and parts of long streams."""
