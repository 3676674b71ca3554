"""Names in the table `service` that several modules use."""


def paused_name(source: str) -> str:
    """The name whose presence pauses delivery to a source's handler."""
    return f"paused:{source}"
