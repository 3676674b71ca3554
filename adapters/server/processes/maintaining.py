"""The main thread of upkeep: it sends heartbeats until the parent ends it, while other threads do the periodic work."""

import select
from collections.abc import Callable
from threading import Event
from typing import Any

from adapters.server.processes.parent import InputReader, Parent
from adapters.server.processes.pulse import EVERY, Pulse
from adapters.server.processes.signals import leave_to_parent

LONGEST = 20.0
"""The longest time in seconds between two rounds. After it the process is restarted."""


def wait_for_parent(parent: Parent, renew: Callable[[Any], None]) -> None:
    """Returns once the parent closes its socket. Calls `renew` with each new input."""
    leave_to_parent()
    pulse = Pulse(LONGEST, parent.line)
    pulse.start()
    told, ended = select.poll(), Event()
    told.register(parent.line, select.POLLIN)
    anew = InputReader(parent.line, renew, ended.set)
    while not ended.is_set():
        pulse.goes_on()
        if told.poll(EVERY * 1_000):
            anew.read()
