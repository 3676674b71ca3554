"""What is watched exists: alert rules, dashboard and documentation name metrics that a service has."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from structlog.testing import capture_logs

from adapters.audit import CheckpointSigner, CurrentKey, SigningKey
from adapters.http import Door
from adapters.server import METRICS
from adapters.sql import Reads, Tree
from tests.support.house import NOON, House, wms

ROOT = Path(__file__).parents[3]
PARTS = ("bucket", "count", "sum")
"""Of a histogram."""
WATCHING = ["ops/alerts.yml", "ops/dashboard.json", "docs/watching.md"]


def declared(house: House) -> set[str]:
    """The names of all series that a service can have."""
    registry = CollectorRegistry()
    for metric in (*METRICS, *Door(house.providers, 1, lambda: NOON).counters):
        registry.register(metric)
    text = (generate_latest(registry) + house.client.get("/metrics").data).decode()
    kinds = dict(re.findall(r"^# TYPE (hookfold_\w+) (\w+)$", text, re.MULTILINE))
    histograms = [name for name, kind in kinds.items() if kind == "histogram"]
    return set(kinds) | {f"{name}_{part}" for name in histograms for part in PARTS}


@pytest.mark.parametrize("file", WATCHING)
def test_every_metric_that_is_watched_exists(one_house: House, file: str):
    named = set(re.findall(r"hookfold_\w+", (ROOT / file).read_text(encoding="utf-8")))

    assert named
    assert named <= declared(one_house)


def test_every_metric_is_told_in_the_documentation(one_house: House):
    told = (ROOT / "docs/watching.md").read_text(encoding="utf-8")

    names = {name for name in declared(one_house) if not name.endswith(PARTS)}

    assert {name for name in names if f"`{name}" not in told} == set()


def test_the_dashboard_is_json_with_a_query_in_every_panel():
    panels = json.loads((ROOT / "ops/dashboard.json").read_text(encoding="utf-8"))["panels"]

    assert all(target["expr"] for panel in panels for target in panel["targets"])
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_a_scrape_tells_when_each_source_was_heard_and_what_no_checkpoint_covers(house: House):
    signer = CheckpointSigner(Tree(house.engine), CurrentKey(SigningKey(b"k" * 32)))
    object.__setattr__(house.api, "signer", signer)
    house.send("clinic", wms("scan", 0))
    house.send("clinic", wms("scan", 1))
    before = house.client.get("/metrics").get_data(as_text=True)
    signer.seal()
    signer.checkpoint()
    after = house.client.get("/metrics").get_data(as_text=True)

    assert f'hookfold_source_last_event_timestamp_seconds{{source="clinic"}} {NOON / 1e6:.1e}' in before
    assert 'hookfold_source_info{provider="amps",source="energy"} 1.0' in before
    assert 'hookfold_source_last_event_timestamp_seconds{source="energy"}' not in before
    assert ("hookfold_unsealed_events 2.0" in before, "hookfold_unsealed_events 0.0" in after) == (True, True)


def test_who_waits_is_counted_while_he_does(one_house: House):
    def waiting() -> bytes:
        return bytes(one_house.client.get("/metrics").data)

    with one_house.api.waiting.slot():
        assert b"hookfold_waiting_requests 1.0" in waiting()
    assert b"hookfold_waiting_requests 0.0" in waiting()


def test_a_scrape_tells_what_has_yet_to_end_what_is_due_and_how_the_last_hour_went(house: House):
    house.tell(source="energy", key="k", action_id="a", state="acknowledged", occurred_at=NOON - 3_600_000_000)
    house.send("clinic", wms("left", 0))
    house.send("clinic", wms("left", 4, "PAGE_UNLOADED"))

    told = house.client.get("/metrics").get_data(as_text=True)

    expected = {
        'hookfold_live{kind="action",source="energy"} 1.0',
        'hookfold_due{source="energy",what="overdue"} 1.0',
        'hookfold_recent_outcomes{outcome="abandoned",source="clinic"} 1.0',
        'hookfold_recent_anomalies{kind="gap",source="clinic"} 1.0',
        "hookfold_lag_positions 0.0",
    }
    assert expected - set(told.splitlines()) == set()
    assert "_created" not in told


def test_a_fault_has_a_name_that_its_log_line_has_too(one_house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Reads, "sources", lambda _: [1 // 0])

    with capture_logs() as lines:
        answer = one_house.client.get("/v1/deliveries")

    (line,) = lines
    assert (answer.status_code, answer.headers["Hookfold-Request"]) == (500, line["request"])
    assert line["request"] in answer.json["detail"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="NOT TRIED: there is no promtool here")
def test_prometheus_takes_the_alert_rules():
    checked = subprocess.run(
        [str(shutil.which("promtool")), "check", "rules", str(ROOT / "ops/alerts.yml")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr
