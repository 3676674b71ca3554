"""The server alone: no framework, no body parsed. What it takes is the client's own ceiling."""

from typing import Any


class Raw:
    """Answers every request with a constant."""

    async def __rsgi__(self, _scope: Any, protocol: Any) -> None:
        await protocol()
        protocol.response_bytes(200, [("content-type", "application/json")], b'{"status": "success"}')


app = Raw()
