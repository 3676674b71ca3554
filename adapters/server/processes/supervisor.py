"""Keeps the processes of a service running, and ends the serving ones before the writer.

It runs in the main process, which has no thread and no database open. So it can fork a process at any time, and a fault
of another process does not reach it. A child ends when its socket to the main process closes, which happens however the
main process dies: no child serves or writes unsupervised.
"""

from collections.abc import Callable, Sequence
from selectors import EVENT_READ, EVENT_WRITE, PollSelector
from socket import socket
from time import monotonic
from typing import Any

import structlog

from adapters.server.processes.child import LOOK, Child
from adapters.server.processes.reloading import Reloaded, Reloading
from adapters.server.processes.signals import Signals

Complete = Callable[[Any], Any]
_RESTART = "SIGHUP takes secrets, api_key, tokens and the signing key alone"
_logger = structlog.get_logger()


class Supervisor:
    """Starts `first`, and the others after its first heartbeat.

    `stages` holds the others. Each stage is told to end once the one before it has ended, and `first` after all of
    them. `hand` is the input of `first`; `complete` derives from it the input of all. Each SIGHUP starts `reloading`,
    which returns a new input.
    """

    def __init__(
        self, first: Child, stages: Sequence[Sequence[Child]], hand: Any, complete: Complete, reloading: Reloading
    ) -> None:
        self._first = first
        self._stages = [*stages, [first]]
        self._children = [child for stage in self._stages for child in stage]
        self._hand = hand
        self._complete = complete
        self._reloading = reloading
        self._begun = False
        self._signals = Signals()
        self._broken: str | None = None
        self._stopping = False
        self._reload_wanted = False

    def run(self) -> str | None:
        """Returns once all processes have ended after a signal to stop; if the service is broken, the reason."""
        self._first.hand(self._hand)
        self._first.begin()
        while not all(child.ended for child in self._children):
            self._turn()
        self._reloading.leave()
        return self._broken

    def _lines(self) -> list[socket]:
        """The sockets to all processes."""
        lines = [self._reloading.line, *(child.line for child in self._children)]
        return [line for line in lines if line is not None]

    def _foreign(self, own: Child | None = None) -> list[socket]:
        """The sockets that a process must close: those to all processes, and the ports of others."""
        ports = [child.port for child in self._children if child is not own]
        return [*self._lines(), *(port for port in ports if port is not None)]

    def _turn(self) -> None:
        began = monotonic()
        ready = self._ready()
        for child in self._children:
            self._keep(child, ready, monotonic() - began)
        if self._reloading.line in ready:
            self._take(self._reloading.read())
        elif self._reloading.due is not None and self._reloading.due <= monotonic():
            self._reloading.give_up()
        if self._signals in ready:
            self._listen()
        if self._stopping:
            self._end_next()
        elif not self._begun:
            self._begin()
        elif self._reload_wanted and self._reloading.line is None:
            self._reload_wanted = False
            self._reloading.begin(self._hand, self._foreign())

    def _ready(self) -> set[Any]:
        """The readable sockets and the children that accept data. Waits for one, or until something is due."""
        with PollSelector() as selector:
            selector.register(self._signals, EVENT_READ)
            for line in self._lines():
                selector.register(line, EVENT_READ)
            for child in self._children:
                if child.line is not None and child.unsent:
                    selector.modify(child.line, EVENT_READ | EVENT_WRITE, child)
            due = [child.due - monotonic() for child in self._children if child.due is not None]
            found = selector.select(max(0.0, min([LOOK, *due])))
        reads = {key.fileobj for key, events in found if events & EVENT_READ}
        return reads | {key.data for key, events in found if events & EVENT_WRITE and key.data}

    def _keep(self, child: Child, ready: set[Any], waited: float) -> None:
        if child in ready:
            child.send()
        if child.line in ready:
            child.hear()
        else:
            child.miss(waited)
        if child.due is not None and child.due <= monotonic():
            child.act(self._foreign(child))
        if child.needed and child.broken is not None:
            self._broken = self._broken or child.broken
            self._stop()

    def _begin(self) -> None:
        if self._first.lives:
            self._begun = True
            self._hand_out(self._complete(self._hand))
            for child in self._children:
                if child is not self._first:
                    child.begin()

    def _listen(self) -> None:
        stop, reload = self._signals.read()
        if stop:
            self._stop()
        self._reload_wanted |= reload

    def _take(self, found: Reloaded | None) -> None:
        if found is None:
            return
        self._hand_out(found.hand)
        _logger.info("reloaded")
        if found.left:
            _logger.warning("restart_needed", changed=found.left, mend=_RESTART)

    def _hand_out(self, hand: Any) -> None:
        self._hand = hand
        for child in self._children:
            child.hand(hand)

    def _stop(self) -> None:
        self._stopping = True
        self._signals.ignore()

    def _end_next(self) -> None:
        """Tells all processes of the first unfinished stage to end, together, since each may wait for its clients."""
        for stage in self._stages:
            for child in stage:
                child.request_stop()
            if not all(child.ended for child in stage):
                return
