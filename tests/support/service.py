"""A real service in processes of its own, for tests that send to it, stall it, or kill it."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from adapters.providers import sign_svix, sign_wms
from tests.support.launcher import Launched, launch
from tests.support.leaks import leaks

WMS_SECRET = "wms-test-secret-0123456789abcdef"
OLD_SECRET = "wms-old-secret-0123456789abcdefg"
AMPS_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CONFIGURATION = """
[sources.clinic]
provider = "wms"
secrets = ["env:WMS_SECRET", "env:OLD_SECRET"]

[sources.energy]
provider = "amps"
secrets = ["env:AMPS_SECRET"]

[sources.captions]
provider = "mentraos"
package_name = "com.example.captions"

[sources.older]
provider = "augmentos"

[sources.browser]
provider = "wms"
secrets = ["env:WMS_SECRET"]
node_ascii = true
"""
SECRETS = {"WMS_SECRET": WMS_SECRET, "OLD_SECRET": OLD_SECRET, "AMPS_SECRET": AMPS_SECRET}
PATIENCE = 30.0
READY = 240.0
"""Seconds for a service to start: the machine may be busy."""
FRONTS = {
    "serve": "from app import main; main()",
    "wsgi": "from tests.support.plain import main; main()",
}
"""What a service is run with: `hookfold serve`, or `create_app` under a server of another make."""


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Service:
    """A running `hookfold serve`, or the same application under a plain WSGI server."""

    port: int
    process: Launched
    log: Path

    def send(self, method: str, path: str, body: bytes = b"", headers: Any = ()) -> Answer:
        """One request over a connection of its own. `headers` may repeat a name. Raises OSError if nobody answers."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            given = list(dict(headers).items()) if isinstance(headers, dict) else list(headers)
            if method == "POST" and not any(name.lower() == "content-length" for name, _ in given):
                given.append(("content-length", str(len(body))))
            for name, value in given:
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def wms(self, document: Any, source: str = "clinic") -> Answer:
        """A signed WMS delivery."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.send("POST", f"/in/{source}", body, sign_wms(WMS_SECRET, body))

    def amps(self, document: Any, message: str = "msg_1", at: int | None = None) -> Answer:
        """A signed Amps delivery."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.send("POST", "/in/energy", body, sign_svix(AMPS_SECRET, message, at or int(time.time()), body))

    def glasses(self, document: Any, source: str = "captions") -> Answer:
        """An unsigned delivery."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.send("POST", f"/in/{source}", body)

    def get(self, path: str) -> Any:
        """The JSON of a successful GET."""
        answer = self.send("GET", path)
        assert answer.status == 200, (path, answer)
        return answer.json

    def metrics(self) -> str:
        """What `/metrics` tells; nothing where the service does not answer any more."""
        try:
            return self.send("GET", "/metrics").body.decode()
        except (OSError, HTTPException):
            return ""

    def head(self) -> int:
        """The last position of the log; 0 where there is none."""
        return max(self.positions(), default=0)

    def positions(self, after: int = 0) -> list[int]:
        """Those of all events behind that one, in their order."""
        found: list[int] = []
        while page := self.get(f"/v1/events?after={found[-1] if found else after}&limit=100")["data"]:
            found += [event["position"] for event in page]
        return found

    def children(self) -> dict[str, list[int]]:
        """The process ids of the service's own by what they do: `writer`, `server`, `upkeep` and `relay`."""
        found: dict[str, list[int]] = {"writer": [], "server": [], "upkeep": [], "relay": []}
        for child in _children(self.process.pid):
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended since it was listed
                name = Path(f"/proc/{child}/comm").read_text().strip().removeprefix("hookfold-")
                if name in found and Path(f"/proc/{child}/cmdline").read_bytes():  # one that has ended has none
                    found[name].append(child)
        return found

    def await_ready(self) -> None:
        deadline = time.monotonic() + READY
        while not self._is_ready():
            assert self.process.poll() is None, self.log.read_text(errors="replace")[-4000:]
            assert time.monotonic() < deadline, self.log.read_text(errors="replace")[-4000:]
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            return self.send("GET", "/readyz").status == 200
        except OSError:
            return False


@contextmanager
def running(
    url: str,
    folder: Path,
    processes: int = 1,
    port: int | None = None,
    front: str = "serve",
    before: str = "",
    configuration: str = CONFIGURATION,
    options: Sequence[str] = (),
) -> Iterator[Service]:
    """A service on a free port; stopped in the end, with all that belongs to it. `before`: Python to run first.
    `options`: of `serve`, beside the number of its processes.

    It has a process group of its own, as one has that a shell starts. No line of its log, and no metric, may tell a
    secret, an e-mail address or a body.
    """
    port = port or free_port()
    env = surroundings(url, folder, configuration) | {"HOOKFOLD_PORT": str(port)}
    arguments = ["serve", "--processes", str(processes), *options]
    with (folder / "log").open("ab") as log:
        process = launch(before + FRONTS[front], arguments, env, log)
    service = Service(port, process, folder / "log")
    try:
        service.await_ready()
        yield service
        metrics = service.metrics()
    finally:
        stop(service)
    told = service.log.read_text(errors="replace") + metrics
    assert leaks(told, SECRETS.values()) == [], "a log line or a metric tells what it may not"


def surroundings(url: str, folder: Path, configuration: str = CONFIGURATION) -> dict[str, str]:
    """The environment of a service; its configuration is written into the folder."""
    folder.mkdir(exist_ok=True)
    (folder / "hookfold.toml").write_text(configuration)
    env = {name: value for name, value in os.environ.items() if not name.startswith("HOOKFOLD_")} | SECRETS
    return env | {"HOOKFOLD_CONFIG": str(folder / "hookfold.toml"), "HOOKFOLD_DATABASE_URL": url}


def stop(service: Service) -> None:
    """Ends the service as an operator does, and what was left behind by one that was killed."""
    left = _children(service.process.pid)
    service.process.send_signal(signal.SIGTERM)
    try:
        service.process.wait(PATIENCE)
    finally:
        for child in left:
            _kill(child)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _children(process: int) -> list[int]:
    found = []
    for listed in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended since it was listed
            found += [int(child) for child in listed.read_text().split()]
    return found


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return
