"""Queries of the log and its projections at present."""
