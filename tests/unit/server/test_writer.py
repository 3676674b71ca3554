"""The writing process answers everything that it was sent, whenever its outcome comes."""

import socket
from collections import deque
from collections.abc import Sequence
from threading import Thread

from adapters.server import Writer
from adapters.server.frames import Inbox, Item, Outcome, frame, pack
from adapters.sql import Receipt, Rejection


class Scripted:
    """A log whose outcomes come together: the socket tells of the first one only."""

    def __init__(self, together: int) -> None:
        self._ours, self.theirs = socket.socketpair()
        self._together = together
        self._begun = 0
        self._under_way: deque[list[Receipt]] = deque()

    @property
    def socket(self) -> int | None:
        return self._ours.fileno() if self._under_way else None

    @property
    def answered(self) -> bool:
        return not self._under_way or (self._begun >= self._together and not self._is_told())

    def begin(self, batch: Sequence[Item]) -> list[Receipt]:
        self._begun += 1
        receipts = [Receipt("rejected", item.size) for item in batch if isinstance(item, Rejection)]
        self._under_way.append(receipts)
        if self._begun == self._together:
            self.theirs.sendall(b"all of them")
        return receipts

    def finish(self, sent: list[Receipt]) -> list[Receipt]:
        assert self._under_way.popleft() is sent
        if self._is_told():
            self._ours.recv(100)
        return sent

    def _is_told(self) -> bool:
        self._ours.setblocking(False)
        try:
            return bool(self._ours.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False

    def close(self) -> None:
        self._ours.close()
        self.theirs.close()


def test_outcomes_that_come_together_are_all_answered():
    log = Scripted(together=2)
    parent, alive = socket.socketpair()
    with socket.socket(socket.AF_INET) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = Thread(target=Writer(listener, alive, log).run)
        thread.start()
        with socket.create_connection(listener.getsockname(), timeout=10) as client:
            for size in (1, 2):
                client.sendall(frame([pack(Rejection("clinic", 0, [], b"", size, 400, "empty"))]))
                while log._begun < size:
                    pass

            outcomes = received(client, 2)

        parent.close()
        thread.join()
    alive.close()
    log.close()
    assert outcomes == [Receipt("rejected", 1), Receipt("rejected", 2)]


def received(client: socket.socket, count: int) -> list[Outcome]:
    inbox = Inbox[Outcome](Outcome)  # type: ignore[arg-type]  # a union
    outcomes: list[Outcome] = []
    while len(outcomes) < count:
        outcomes += inbox.whole(client.recv(1 << 16))
    return outcomes
