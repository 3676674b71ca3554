"""What answers questions about the log and its projections as they are now."""
