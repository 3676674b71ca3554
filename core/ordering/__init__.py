"""The order in which events are folded: canonical order, runs of a session, sequence numbers."""
