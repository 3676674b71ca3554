"""The image and the compose file: built where docker or podman runs, and held against what they are made of."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import make_url

from adapters.sql import open_engine
from tests.deploy.conftest import HOUSE, PARTS, run

CONTAINERFILE = (HOUSE / "deploy/Containerfile").read_text(encoding="utf-8")
COMPOSE = HOUSE / "deploy/compose.yaml"
GIVEN = {"POSTGRES_PASSWORD": "example", "HOOKFOLD_FOLDER": "/srv/hookfold"}


@pytest.fixture(scope="module")
def services() -> Any:
    """Those of the compose file, with the variables that it asks for."""
    text = re.sub(r"\$\{(\w+)[^}]*\}", lambda found: GIVEN[found[1]], COMPOSE.read_text(encoding="utf-8"))
    document = msgspec.yaml.decode(text)
    assert set(document) == {"services", "volumes"}
    return document["services"] | {"volumes": document["volumes"]}


@pytest.fixture
def engine() -> str:
    """What builds images; where there is none, the test is left out."""
    found = shutil.which("podman") or shutil.which("docker")
    if found is None or subprocess.run([found, "info"], capture_output=True, check=False, timeout=60).returncode:
        pytest.skip("LEFT OUT: the container was not built; it wants docker or podman with a daemon that runs")
    return found


def test_the_image_builds_and_answers(engine: str, tmp_path: Path):
    run([engine, "build", "-q", "-f", "deploy/Containerfile", "-t", "hookfold-test", "."], HOUSE)

    told = run([engine, "run", "--rm", "hookfold-test", "hookfold", "--version"], tmp_path)

    assert "hookfold" in told


def test_compose_takes_the_file():
    for words in (["docker", "compose"], ["docker-compose"], ["podman-compose"]):
        if (
            shutil.which(words[0])
            and not subprocess.run([*words, "version"], capture_output=True, check=False).returncode
        ):
            assert "hookfold" in run([*words, "-f", str(COMPOSE), "config"], HOUSE, **GIVEN)
            return
    pytest.skip("LEFT OUT: deploy/compose.yaml was not read by compose itself; it wants `docker compose`")


def test_the_image_gets_every_part_of_the_house():
    assert all(f" {part}" in CONTAINERFILE for part in PARTS)


def test_compose_builds_our_image_and_serves_on_loopback_what_it_exposes(services: Any):
    build = services["hookfold"]["build"]

    assert (COMPOSE.parent / build["context"] / build["dockerfile"]).resolve() == HOUSE / "deploy/Containerfile"
    (exposed,) = re.findall(r"^EXPOSE (\d+)$", CONTAINERFILE, re.MULTILINE)
    assert services["hookfold"]["ports"] == [f"127.0.0.1:{exposed}:{exposed}"]


def test_the_folder_that_compose_hands_in_is_that_of_the_configuration(services: Any):
    (config,) = re.findall(r"HOOKFOLD_CONFIG=(\S+)", CONTAINERFILE)

    assert services["hookfold"]["volumes"] == [f"{GIVEN['HOOKFOLD_FOLDER']}:{Path(config).parent}"]


def test_the_database_of_compose_is_the_one_that_the_service_is_given_once_it_is_there(services: Any):
    database, hookfold = services["postgres"], services["hookfold"]
    url = make_url(hookfold["environment"]["HOOKFOLD_DATABASE_URL"])
    made = database["environment"]

    open_engine(url.render_as_string(hide_password=False)).dispose()
    assert (url.host, url.username, url.database, url.password) == (
        "postgres",
        *(made[name] for name in ("POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD")),
    )
    assert hookfold["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert made["POSTGRES_USER"] in database["healthcheck"]["test"][1]
    assert {volume.partition(":")[0] for volume in database["volumes"]} == set(services["volumes"])


def test_the_user_whom_the_compose_file_names_is_that_of_the_image():
    (user,) = re.findall(r"useradd .*--uid (\d+)", CONTAINERFILE)

    assert f"chown -R {user} " in COMPOSE.read_text(encoding="utf-8")


def test_a_stop_has_as_long_as_under_systemd(services: Any):
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", (HOUSE / "deploy/hookfold.service").read_text(), re.MULTILINE)

    assert services["hookfold"]["stop_grace_period"] == f"{seconds}s"
