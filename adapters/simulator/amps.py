"""Scenarios of Amps AI: webhooks about pushed actions and about devices.

Bodies carry no type: a failed action is known by its error fields. Deliveries are identified by their `svix-id`.
"""

from typing import Any

from adapters.simulator.message import Message, Stage, encode


class Action:
    """An action on a device. Its fields are generated once, so all webhooks about it agree."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.identity = f"msg_{stage.token(20)}"
        self.about = {
            "actionId": f"act-{stage.token()}",
            "deviceId": f"device-{stage.token()}",
            "deviceType": stage.random.choice(["battery", "charger", "thermostat"]),
            "command": "set_charge_limit",
            "parameters": {"limit": stage.random.randrange(50, 101, 10)},
        }

    def completed(self) -> Message:
        result = {"success": True, "message": "accepted"}
        return Message(encode(self.about | {"result": result, "completedAt": self.stage.iso()}), self.identity)

    def failed(self) -> Message:
        """A failed action also carries a result."""
        error = {"errorCode": "DEVICE_OFFLINE", "errorMessage": "The device did not answer."}
        result = {"success": False}
        return Message(encode(self.about | {"result": result, **error, "failedAt": self.stage.iso()}), self.identity)


def push_completed(stage: Stage, _provider: str) -> list[Message]:
    """An action is done."""
    stage.wait(10)
    return [Action(stage).completed()]


def push_failed(stage: Stage, _provider: str) -> list[Message]:
    """An action fails: its device does not answer."""
    stage.wait(10)
    return [Action(stage).failed()]


def duplicate(stage: Stage, _provider: str) -> list[Message]:
    """The same delivery comes three times: the answers to the first two were lost."""
    stage.wait(10)
    return [Action(stage).completed()] * 3


def conflict(stage: Stage, _provider: str) -> list[Message]:
    """A completed action is delivered again, with the same `svix-id` and another body, then as failed.

    The last delivery has a new `svix-id`.
    """
    stage.wait(10)
    action = Action(stage)
    first = action.completed()
    stage.wait(1)
    changed = action.completed()
    action.identity = f"msg_{stage.token(20)}"
    return [first, changed, action.failed()]


def envelope(stage: Stage, _provider: str) -> list[Message]:
    """The consistent structure that the first documents promise: `eventId`, `type` and `data` around the body."""
    stage.wait(10)
    action = Action(stage)
    data = action.about | {"result": {"success": True}, "completedAt": stage.iso()}
    body = {"eventId": f"evt-{stage.token()}", "type": "push.completed", "timestamp": stage.iso(), "data": data}
    return [Message(encode(body), action.identity)]


def devices(stage: Stage, _provider: str) -> list[Message]:
    """A device connects, disconnects and reconnects. The bodies have an explicit type because they look alike."""
    about = {"deviceId": f"device-{stage.token()}", "deviceType": "battery"}
    sent = [_device(stage, "device.connected", about)]
    stage.wait(20)
    lost = about | {"reconnectionUrl": "https://connect.example.com/again"}
    sent.append(_device(stage, "device.disconnected", lost))
    stage.wait(20)
    return [*sent, _device(stage, "device.reconnected", about)]


def _device(stage: Stage, kind: str, about: dict[str, Any]) -> Message:
    return Message(encode({"type": kind, **about, "timestamp": stage.iso()}), f"msg_{stage.token(20)}")
