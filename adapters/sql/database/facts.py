"""Names of facts in the table `service` that several read."""


def paused_name(source: str) -> str:
    """Tells, while it is there, that nothing of a source is delivered to its handler."""
    return f"paused:{source}"
