"""A first webhook as a command to paste, signed with the source's secret."""

from random import Random
from shlex import quote

from adapters.simulator.message import ScenarioContext
from adapters.simulator.scenarios import SCENARIOS
from adapters.simulator.sender import headers
from core.event import SECOND

FIRST = {"wms": "happy", "amps": "push_completed", "mentraos": "start_stop", "augmentos": "start_stop"}
"""Tried in this order: the signature of WMS holds for ever, that of Amps for five minutes."""

LEAD = 10
"""Seconds by which a scenario starts before now, so that its first message is not in the future."""


def first_curl(base: str, name: str, provider: str, secret: str | None, package: str | None, now: float) -> str:
    """The `curl` for a source. `now`: Unix seconds."""
    context = ScenarioContext(Random(), (int(now) - LEAD) * SECOND, package or "com.example.app")
    message = SCENARIOS[provider][FIRST[provider]](context, provider)[0]
    signed = headers(provider, secret, message, now)
    signed.pop("user-agent")
    fields = [f"-H {quote(f'{header}: {value}')}" for header, value in signed.items()]
    parts = [f"curl -i {base}/in/{name}", *fields, f"--data-raw {quote(message.body.decode())}"]
    return "  " + " \\\n    ".join(parts)
