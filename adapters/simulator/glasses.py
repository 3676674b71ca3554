"""Scenarios of AugmentOS Cloud and MentraOS Cloud: session webhooks and server registrations."""

from adapters.simulator.message import Message, ScenarioContext, encode


class Glasses:
    """One wearer of one app. All starts and stops have the same session id."""

    def __init__(self, context: ScenarioContext, provider: str) -> None:
        self.context = context
        self.provider = provider
        self.user = f"wearer-{context.token(8)}@example.com"
        self.session = f"{self.user}-{context.package}"
        self.sent: list[Message] = []

    def request(self) -> None:
        self._send({"type": "session_request", **self._who(), **self._time(), **self._urls()})

    def recover(self) -> None:
        self._send({"type": "session_recovery", **self._who(), **self._time(), **self._urls()})

    def stop(self, reason: str = "user_disabled") -> None:
        self._send({"type": "stop_request", **self._who(), "reason": reason, **self._time()})

    def wait(self, seconds: float) -> None:
        self.context.wait(seconds)

    def _who(self) -> dict[str, str]:
        return {"sessionId": self.session, "userId": self.user}

    def _time(self) -> dict[str, str]:
        return {"timestamp": self.context.iso()}

    def _urls(self) -> dict[str, str]:
        """The older cloud sent one address, the newer one sends three for the sake of old apps."""
        url = "wss://cloud.example.com/app-ws"
        names = ["augmentOSWebsocketUrl"]
        if self.provider == "mentraos":
            names = ["websocketUrl", "mentraOSWebsocketUrl", "augmentOSWebsocketUrl"]
        return dict.fromkeys(names, url)

    def _send(self, fields: dict[str, str]) -> None:
        self.sent.append(Message(encode(fields)))


def start_stop(context: ScenarioContext, provider: str) -> list[Message]:
    """A wearer starts the app and stops it a minute later."""
    glasses = Glasses(context, provider)
    glasses.request()
    glasses.wait(60)
    glasses.stop()
    return glasses.sent


def restart(context: ScenarioContext, provider: str) -> list[Message]:
    """The cloud restarts the app within a second and blames the user; the real stop comes later."""
    glasses = Glasses(context, provider)
    glasses.request()
    glasses.wait(30)
    glasses.stop()
    glasses.wait(0.4)
    glasses.request()
    glasses.wait(60)
    glasses.stop()
    return glasses.sent


def lost_stop(context: ScenarioContext, provider: str) -> list[Message]:
    """A stop that never came: the next start supersedes the run before."""
    glasses = Glasses(context, provider)
    glasses.request()
    glasses.wait(90)
    glasses.request()
    return glasses.sent


def recovery(context: ScenarioContext, provider: str) -> list[Message]:
    """The cloud recovers a session that it thought lost, then the wearer stops it."""
    glasses = Glasses(context, provider)
    glasses.request()
    glasses.wait(20)
    glasses.recover()
    glasses.wait(40)
    glasses.stop()
    return glasses.sent


def registration(context: ScenarioContext, _provider: str) -> list[Message]:
    """The app's server is registered and then asked twice for its heartbeat."""
    name = f"reg-{context.token(8)}"
    urls = ["https://captions.example.com/webhook"]
    sent = [_server(context, "server_registration", registrationId=name, packageName=context.package, serverUrls=urls)]
    for _ in range(2):
        context.wait(30)
        sent.append(_server(context, "server_heartbeat", registrationId=name))
    return sent


def _server(context: ScenarioContext, kind: str, **fields: object) -> Message:
    common = {"type": kind, "sessionId": f"{kind}-{context.token(6)}", "userId": "system", "timestamp": context.iso()}
    return Message(encode(common | fields))
