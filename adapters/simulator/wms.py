"""What the visitors of the Web Measurement Service do."""

from adapters.simulator.message import Message, ScenarioContext
from adapters.simulator.page import SimulatedPage


def happy(context: ScenarioContext, _provider: str) -> list[Message]:
    """A face scan of half a minute, from the first page to the redirect."""
    page = SimulatedPage(context)
    page.open()
    page.begin()
    page.chunks(1, 5)
    page.finish()
    page.leave()
    return page.sent


def user_cancel(context: ScenarioContext, _provider: str) -> list[Message]:
    """The visitor cancels in the middle of the scan and leaves."""
    page = SimulatedPage(context)
    page.open()
    page.begin()
    page.chunks(1, 2)
    page.emit("MEASUREMENT_CANCELED")
    page.emit("PAGE_UNLOADED", 4)
    return page.sent


def low_snr(context: ScenarioContext, _provider: str) -> list[Message]:
    """The signal is too weak: the measurement is cancelled by the service, whose event carries no id."""
    page = SimulatedPage(context)
    page.open()
    page.begin()
    page.chunks(1, 3)
    page.emit("LOW_SNR", details="LOW_SNR")
    page.emit("PAGE_UNLOADED", 6)
    return page.sent


def camera_denied(context: ScenarioContext, _provider: str) -> list[Message]:
    """The visitor does not allow the camera."""
    page = SimulatedPage(context)
    page.emit("WMS_LOADED")
    page.emit("CONFIGURATION_LOADED")
    page.emit("CAMERA_PERMISSION_DENIED", 3)
    page.emit("PAGE_UNLOADED", 5)
    return page.sent


def constraint(context: ScenarioContext, _provider: str) -> list[Message]:
    """Constraints are violated before the measurement (which changes nothing) and during it (which cancels it)."""
    page = SimulatedPage(context)
    page.open()
    page.emit("CONSTRAINT_VIOLATION", constraint="FACE_TOO_FAR")
    page.begin()
    page.chunks(1, 2)
    page.emit("CONSTRAINT_VIOLATION", **page.about(), constraint="FACE_NOT_CENTERED")
    page.emit("PAGE_UNLOADED", 4)
    return page.sent


def tab_closed(context: ScenarioContext, _provider: str) -> list[Message]:
    """The tab is hidden, shown, and closed in the middle of the scan."""
    page = SimulatedPage(context)
    page.open()
    page.begin()
    page.chunks(1, 2)
    for state in ("HIDDEN", "VISIBLE"):
        page.emit("PAGE_VISIBILITY_CHANGE", **page.about(), state=state)
    page.emit("PAGE_UNLOADED")
    return page.sent


def websocket_flap(context: ScenarioContext, _provider: str) -> list[Message]:
    """The socket breaks twice during the scan and recovers."""
    page = SimulatedPage(context)
    page.open()
    page.begin()
    for chunk in (1, 2):
        page.chunks(chunk, chunk)
        page.emit("WEBSOCKET_DISCONNECTED")
        page.emit("WEBSOCKET_RECONNECTED", 2)
    page.chunks(3, 5)
    page.finish()
    page.leave()
    return page.sent


def retry_then_success(context: ScenarioContext, _provider: str) -> list[Message]:
    """A first measurement is cancelled, a second one in the same session succeeds."""
    page = SimulatedPage(context)
    page.open()
    page.begin()
    page.chunks(1, 2)
    page.emit("MEASUREMENT_CANCELED")
    page.begin()
    page.chunks(1, 5)
    page.finish()
    page.leave()
    return page.sent


def reload(context: ScenarioContext, _provider: str) -> list[Message]:
    """The page is loaded again in the middle of the scan: a second run of one session, numbered from 0 again."""
    page = SimulatedPage(context)
    page.open()
    page.begin()
    page.chunks(1, 2)
    page.reload()
    page.open()
    page.begin()
    page.chunks(1, 5)
    page.finish()
    page.leave()
    return page.sent


def camera_error(context: ScenarioContext, _provider: str) -> list[Message]:
    """The camera was allowed and does not start."""
    page = SimulatedPage(context)
    page.emit("WMS_LOADED")
    page.emit("CONFIGURATION_LOADED")
    page.emit("CAMERA_PERMISSION_GRANTED")
    page.emit("GENERAL_ERROR", details="CAMERA_START_ERROR")
    page.emit("PAGE_UNLOADED", 8)
    return page.sent


def connection_lost(context: ScenarioContext, _provider: str) -> list[Message]:
    """The socket breaks for good in the middle of the scan, and the service gives up with an error of its own."""
    page = SimulatedPage(context)
    page.open()
    page.begin()
    page.chunks(1, 2)
    page.emit("WEBSOCKET_DISCONNECTED")
    page.emit("WEBSOCKET_RECONNECTION_FAILED", 10)
    page.emit("API_ERROR", **page.about(), code="CONNECTION_LOST")
    page.emit("PAGE_UNLOADED", 5)
    return page.sent
