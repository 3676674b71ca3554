"""An app's own handler of webhooks: it reads a request, and answers after so many seconds.

`python -m bench.peers.handler PORT SECONDS`.
"""

import asyncio
import sys
from contextlib import suppress

import uvloop

from bench.peers.raw import ANSWER


async def serve(port: int, seconds: float) -> None:
    """Until it is killed."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]))
                if seconds:
                    await asyncio.sleep(seconds)
                writer.write(ANSWER)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port, backlog=1_024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2])))
