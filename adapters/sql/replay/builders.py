"""Which process builds, as the tables name it (`PID@HOST`), and whether it still runs."""

import os
import socket


def this_process() -> str:
    """The name of this process."""
    return f"{os.getpid()}@{socket.gethostname()}"


def is_running(name: str) -> bool | None:
    """Whether the process of that name runs; None for one on another host, of which that cannot be known."""
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
