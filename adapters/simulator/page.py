"""A simulated page of the Web Measurement Service, which emits numbered events."""

from typing import Any

from adapters.simulator.message import Message, Stage, encode

ERRORS = {
    "API_ERROR",
    "CAMERA_PERMISSION_DENIED",
    "CONSTRAINT_VIOLATION",
    "GENERAL_ERROR",
    "LOW_SNR",
    "WEBSOCKET_RECONNECTION_FAILED",
}
WARNINGS = {"MEASUREMENT_CANCELED", "WEBSOCKET_DISCONNECTED"}


class SimulatedPage:
    """The page in somebody's browser. `say` numbers the events; a reload numbers them anew under the same session."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.session = f"visit-{stage.token(16)}"
        self.measurement: str | None = None
        self.sequence = 0
        self.sent: list[Message] = []

    def say(self, event: str, seconds: float = 1, **payload: Any) -> None:
        """Emits an event `seconds` after the previous one. The default payload has the measurement's id, if any."""
        self.stage.wait(seconds)
        fields = {"timestamp": self.stage.seconds(), "sessionId": self.session, "sequence": self.sequence}
        fields |= {"event": event, "severity": _severity(event), "payload": payload or self.about()}
        self.sent.append(Message(encode(fields)))
        self.sequence += 1

    def open(self) -> None:
        for event in ("WMS_LOADED", "CONFIGURATION_LOADED", "CAMERA_PERMISSION_GRANTED", "CAMERA_STARTED"):
            self.say(event)

    def begin(self) -> None:
        """A measurement is started and gets its id; its socket connects."""
        self.measurement = None
        self.say("MEASUREMENT_STARTED")
        self.measurement = self.stage.uuid()
        self.say("MEASUREMENT_CREATED")
        self.say("WEBSOCKET_RECONNECTED", 0)

    def chunks(self, first: int, last: int) -> None:
        """Results come every five seconds, with a ratio in decibels and a number of their own."""
        for number in range(first, last + 1):
            snr = round(self.stage.random.uniform(2, 12), 2)
            self.say("INTERMEDIATE_RESULTS", 5, **self.about(), snr=snr, sequence=number)

    def finish(self) -> None:
        self.say("SCAN_COMPLETED")
        self.say("RESULTS_RECEIVED", 3)

    def leave(self) -> None:
        self.say("REDIRECTING_TO_CALLBACK", 0)
        self.say("PAGE_UNLOADED", 0)

    def reload(self) -> None:
        """The browser loads the page again: the numbers start at 0, the measurement is forgotten."""
        self.say("PAGE_UNLOADED")
        self.sequence, self.measurement = 0, None
        self.stage.wait(2)

    def about(self) -> dict[str, Any]:
        return {"measurementId": self.measurement} if self.measurement else {}


def _severity(event: str) -> str:
    if event in ERRORS:
        return "ERROR"
    return "WARN" if event in WARNINGS else "INFO"
