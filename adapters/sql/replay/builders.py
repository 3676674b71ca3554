"""The name of a building process in the tables (`PID@HOST`), and whether it still runs."""

import os
import socket


def this_process() -> str:
    """The name of this process."""
    return f"{os.getpid()}@{socket.gethostname()}"


def is_running(name: str) -> bool | None:
    """Whether the named process runs; None if it is on another host."""
    process, _, host = name.partition("@")
    if host != socket.gethostname():
        return None
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
