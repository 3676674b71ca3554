"""No server worth the name: answers whatever arrives with a constant. What it takes is the client's own ceiling.

`python -m bench.peers.raw PORT`. One request arrives in one piece here, because the client sends the next one only
when it has the answer.
"""

import select
import socket
import sys

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
            elif connections[number].recv(65_536):
                connections[number].sendall(ANSWER)
            else:
                connections.pop(number).close()  # epoll forgets what is closed


if __name__ == "__main__":
    serve(int(sys.argv[1]))
