"""Appends deliveries to the log: verdicts, positions, payloads and projections in one transaction."""
