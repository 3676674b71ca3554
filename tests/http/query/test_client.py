"""A client that a program makes of the OpenAPI document is whole: every operation can be called with it."""

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from adapters.audit import CheckpointSigner, CurrentKey
from adapters.http import Door, ingest_blueprint
from adapters.sql import Plans, Replay, Tree, open_engine
from tests.support.audited import SIGNING
from tests.support.house import NOON, House, pushed, wms

REGISTERED = {
    "type": "server_registration",
    "registrationId": "r-1",
    "sessionId": "s-1",
    "userId": "ann@example.com",
    "timestamp": "2023-11-14T22:00:00.000Z",
    "packageName": "com.example.captions",
    "serverUrls": ["https://app.example.com/webhook"],
}
STREAMS = ("stream", "sessions_stream", "measurements_stream", "actions_stream")
"""They have no end; what they refuse has one."""
ALSO: dict[str, dict[str, Any]] = {
    **{name: {"last_event_id": "x"} for name in STREAMS},
    "proof": {"position": 1},
}
REFUSED = {
    **dict.fromkeys(STREAMS, 400),
    "confirm_replay": 404,  # no replay was planned before
    "planned_replay": 404,  # the same
    "serve_version": 404,  # there is none of that name
}
"""Everything else is answered with 200."""

OPTIONS = {"post_hooks": [], "content_type_overrides": {"application/zip": "application/octet-stream"}}


@pytest.fixture
def whole(sqlite_url: str) -> Iterator[House]:
    """A house that has every path: it signs, replays, and takes deliveries."""
    engine = open_engine(sqlite_url)
    made = House(sqlite_url, signer=CheckpointSigner(Tree(engine), CurrentKey(SIGNING)))
    plans = Plans(made.engine, lambda _: Replay(made.engine, made.code, lambda: NOON), lambda: NOON)
    object.__setattr__(made.api, "plans", plans)
    door = Door(made.providers, 65_536, lambda: NOON)
    made.app.register_blueprint(ingest_blueprint(door, lambda item: made.log.append([item])[0]))
    made.send("clinic", wms("scan", 0, "MEASUREMENT_STARTED"))
    made.send("clinic", wms("scan", 1, "MEASUREMENT_CREATED", measurementId="m-1"))
    made.send("energy", pushed("a-1"), key="m-1")
    made.send("older", REGISTERED)
    yield made
    made.close()
    engine.dispose()


@pytest.fixture
def generated(whole: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "openapi.json").write_bytes(whole.client.get("/openapi.json").data)
    (tmp_path / "options.json").write_text(json.dumps(OPTIONS))
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning"]
    paths = ["--path", "openapi.json", "--config", "options.json", "--output-path", "hookfold_client"]
    made = subprocess.run([*command, *paths], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module("hookfold_client")


def operations(client: ModuleType) -> Iterator[tuple[str, ModuleType]]:
    folder = Path(str(client.__file__)).parent / "api"
    for group in pkgutil.iter_modules([str(folder)]):
        for one in pkgutil.iter_modules([str(folder / group.name)]):
            yield one.name, importlib.import_module(f"hookfold_client.api.{group.name}.{one.name}")


def sent(house: House, models: Any, name: str, module: ModuleType) -> dict[str, Any]:
    """What the operation needs."""
    kinds = ("measurement", "device", "action", "registration", "session")
    listed = house.get(f"/v1/{next((one for one in kinds if one in name), 'session')}s")["data"]
    known = {
        "id": listed[0]["id"],
        "position": 1,
        "name": "measurement",
        "beginning": listed[0]["id"][:12],
        "version": "none",
        "source": "older",
        "idempotency_key": "key-1",
    }
    parameters = inspect.signature(module.sync_detailed).parameters
    given = {one: value for one, value in known.items() if one in parameters and _required(parameters[one])}
    if name == "tell_action":
        at = "2023-11-14T22:00:00Z"
        told = {"source": "energy", "action_id": "a-1", "state": "acknowledged", "occurred_at": at}
        given["body"] = models.Told.from_dict(told)
    elif name.startswith("deliver_") or name == "deliver":
        given["body"] = parameters["body"].annotation.from_dict(REGISTERED)
    elif name.endswith("_compare"):
        given["known_at_position"] = 1
    return given | ALSO.get(name, {})


def _required(parameter: inspect.Parameter) -> bool:
    return parameter.default is inspect.Parameter.empty


def test_every_operation_can_be_called_with_a_generated_client(whole: House, generated: ModuleType):
    models = importlib.import_module("hookfold_client.models")
    transport = httpx.WSGITransport(app=whole.app)
    client = generated.Client(base_url="http://service.example.com", httpx_args={"transport": transport})
    documented = whole.get("/openapi.json")["paths"]
    called = {}

    for name, module in operations(generated):
        answer = module.sync_detailed(client=client, **sent(whole, models, name, module))
        called[name] = answer.status_code
        assert answer.parsed is not None, (name, answer)

    assert set(called) == {one["operationId"] for methods in documented.values() for one in methods.values()}
    assert {name: int(status) for name, status in called.items() if status != 200} == REFUSED


def test_the_document_is_openapi_3_1(one_house: House):
    from openapi_spec_validator import validate  # half a second, in each worker otherwise

    validate(one_house.get("/openapi.json"))
