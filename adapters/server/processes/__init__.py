"""The processes of a service: how they start, are watched, are told to stop, and log."""
