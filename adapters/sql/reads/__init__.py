"""Statements that answer questions about the log and its projections, as they are and as they were."""
