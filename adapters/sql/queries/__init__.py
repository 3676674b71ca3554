"""Statements on the log and its projections, a file for each kind of query."""
