"""A simulated page of the Web Measurement Service, which emits numbered events."""

from typing import Any

from adapters.simulator.message import Message, ScenarioContext, encode

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
    """The page in somebody's browser. `emit` numbers the events; a reload numbers them anew under the same session."""

    def __init__(self, context: ScenarioContext) -> None:
        self.context = context
        self.session = f"visit-{context.token(16)}"
        self.measurement: str | None = None
        self.sequence = 0
        self.sent: list[Message] = []

    def emit(self, event: str, seconds: float = 1, **payload: Any) -> None:
        """Emits an event `seconds` after the previous one. The default payload has the measurement's id, if any."""
        self.context.wait(seconds)
        fields = {"timestamp": self.context.seconds(), "sessionId": self.session, "sequence": self.sequence}
        fields |= {"event": event, "severity": _severity(event), "payload": payload or self.about()}
        self.sent.append(Message(encode(fields)))
        self.sequence += 1

    def open(self) -> None:
        for event in ("WMS_LOADED", "CONFIGURATION_LOADED", "CAMERA_PERMISSION_GRANTED", "CAMERA_STARTED"):
            self.emit(event)

    def begin(self) -> None:
        """A measurement is started and gets its id; its socket connects."""
        self.measurement = None
        self.emit("MEASUREMENT_STARTED")
        self.measurement = self.context.uuid()
        self.emit("MEASUREMENT_CREATED")
        self.emit("WEBSOCKET_RECONNECTED", 0)

    def chunks(self, first: int, last: int) -> None:
        """Results come every five seconds, with a ratio in decibels and a number of their own."""
        for number in range(first, last + 1):
            snr = round(self.context.random.uniform(2, 12), 2)
            self.emit("INTERMEDIATE_RESULTS", 5, **self.about(), snr=snr, sequence=number)

    def finish(self) -> None:
        self.emit("SCAN_COMPLETED")
        self.emit("RESULTS_RECEIVED", 3)

    def leave(self) -> None:
        self.emit("REDIRECTING_TO_CALLBACK", 0)
        self.emit("PAGE_UNLOADED", 0)

    def reload(self) -> None:
        """The browser loads the page again: the numbers start at 0, the measurement is forgotten."""
        self.emit("PAGE_UNLOADED")
        self.sequence, self.measurement = 0, None
        self.context.wait(2)

    def about(self) -> dict[str, Any]:
        return {"measurementId": self.measurement} if self.measurement else {}


def _severity(event: str) -> str:
    if event in ERRORS:
        return "ERROR"
    return "WARN" if event in WARNINGS else "INFO"
