"""No server worth the name: answers whatever arrives with a constant. What it takes is the client's own ceiling.

`python -m bench.peers.raw PORT`. One request arrives in one piece here, because the client sends the next one only
when it has the answer.
"""

import select
import socket
import sys
from contextlib import suppress

ANSWER = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 21\r\n\r\n{"status": "success"}'


def serve(port: int) -> None:
    """Until it is killed."""
    listener = socket.create_server(("127.0.0.1", port), backlog=256)
    waiting, connections = select.epoll(), {listener.fileno(): listener}
    waiting.register(listener, select.EPOLLIN)
    while True:
        for number, _ in waiting.poll():
            if number == listener.fileno():
                one, _ = listener.accept()
                connections[one.fileno()] = one
                waiting.register(one, select.EPOLLIN)
            elif not answered(connections[number]):
                connections.pop(number).close()  # epoll forgets what is closed


def answered(one: socket.socket) -> bool:
    """Whether there was a request; False where the client is gone."""
    with suppress(ConnectionError):
        if one.recv(65_536):
            one.sendall(ANSWER)
            return True
    return False


if __name__ == "__main__":
    serve(int(sys.argv[1]))
