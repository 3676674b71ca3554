"""Scenarios of Amps AI: webhooks about pushed actions and about devices.

Bodies carry no type: a failed action is known by its error fields. Deliveries are identified by their `svix-id`.
"""

from typing import Any

from adapters.simulator.message import Message, ScenarioContext, encode


class Action:
    """An action on a device. Its fields are generated once, so all webhooks about it agree."""

    def __init__(self, context: ScenarioContext) -> None:
        self.context = context
        self.identity = f"msg_{context.token(20)}"
        self.about = {
            "actionId": f"act-{context.token()}",
            "deviceId": f"device-{context.token()}",
            "deviceType": context.random.choice(["battery", "charger", "thermostat"]),
            "command": "set_charge_limit",
            "parameters": {"limit": context.random.randrange(50, 101, 10)},
        }

    def completed(self) -> Message:
        result = {"success": True, "message": "accepted"}
        return Message(encode(self.about | {"result": result, "completedAt": self.context.iso()}), self.identity)

    def failed(self) -> Message:
        """A failed action also carries a result."""
        error = {"errorCode": "DEVICE_OFFLINE", "errorMessage": "The device did not answer."}
        result = {"success": False}
        return Message(encode(self.about | {"result": result, **error, "failedAt": self.context.iso()}), self.identity)


def push_completed(context: ScenarioContext, _provider: str) -> list[Message]:
    """An action is done."""
    context.wait(10)
    return [Action(context).completed()]


def push_failed(context: ScenarioContext, _provider: str) -> list[Message]:
    """An action fails: its device does not answer."""
    context.wait(10)
    return [Action(context).failed()]


def duplicate(context: ScenarioContext, _provider: str) -> list[Message]:
    """The same delivery comes three times: the answers to the first two were lost."""
    context.wait(10)
    return [Action(context).completed()] * 3


def conflict(context: ScenarioContext, _provider: str) -> list[Message]:
    """A completed action is delivered again, with the same `svix-id` and another body, then as failed.

    The last delivery has a new `svix-id`.
    """
    context.wait(10)
    action = Action(context)
    first = action.completed()
    context.wait(1)
    changed = action.completed()
    action.identity = f"msg_{context.token(20)}"
    return [first, changed, action.failed()]


def envelope(context: ScenarioContext, _provider: str) -> list[Message]:
    """The consistent structure that the first documents promise: `eventId`, `type` and `data` around the body."""
    context.wait(10)
    action = Action(context)
    data = action.about | {"result": {"success": True}, "completedAt": context.iso()}
    body = {"eventId": f"evt-{context.token()}", "type": "push.completed", "timestamp": context.iso(), "data": data}
    return [Message(encode(body), action.identity)]


def devices(context: ScenarioContext, _provider: str) -> list[Message]:
    """A device connects, disconnects and reconnects. The bodies have an explicit type because they look alike."""
    about = {"deviceId": f"device-{context.token()}", "deviceType": "battery"}
    sent = [_device(context, "device.connected", about)]
    context.wait(20)
    lost = about | {"reconnectionUrl": "https://connect.example.com/again"}
    sent.append(_device(context, "device.disconnected", lost))
    context.wait(20)
    return [*sent, _device(context, "device.reconnected", about)]


def _device(context: ScenarioContext, kind: str, about: dict[str, Any]) -> Message:
    return Message(encode({"type": kind, **about, "timestamp": context.iso()}), f"msg_{context.token(20)}")
