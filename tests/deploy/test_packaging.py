"""What is deployed: the wheel with all that it needs, the systemd unit, the container."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
PARTS = ["app.py", "pyproject.toml", "README.md", "core", "adapters", "wiring", "migrations"]
BUILD = "import sys; from setuptools.build_meta import build_wheel; print(build_wheel(sys.argv[1]))"
PIP = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", "--target"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip has put the wheel, which was built from a copy: a build leaves files behind."""
    folder = tmp_path_factory.mktemp("wheel")
    for part in PARTS:
        copy = shutil.copy if (HOUSE / part).is_file() else shutil.copytree
        copy(HOUSE / part, folder / part)
    built = run([sys.executable, "-c", BUILD, str(folder)], folder)
    run([sys.executable, *PIP, str(folder / "site"), str(folder / built.splitlines()[-1])], folder)
    return folder / "site"


def run(command: list[str], folder: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_has_every_file_that_the_house_reads(site: Path):
    read = {
        str(path.relative_to(HOUSE))
        for folder in ("core", "adapters", "wiring", "migrations")
        for path in (HOUSE / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }

    assert read
    assert {path for path in read if not (site / path).exists()} == set()


def test_what_pip_installed_begins_a_log_and_checks_it(site: Path, tmp_path: Path):
    surroundings = {"PYTHONPATH": str(site), "HOOKFOLD_DATABASE_URL": f"sqlite:///{tmp_path}/hookfold.db"}

    def typed(*words: str) -> str:
        return run([sys.executable, str(site / "bin/hookfold"), *words], tmp_path, **surroundings)

    typed("init")
    typed("db", "new")

    assert "fault" not in typed("db", "check")
    assert "hookfold" in typed("--version")
    where = run([sys.executable, "-c", "import app; print(app.__file__)"], tmp_path, **surroundings)
    assert Path(where.strip()).parent == site


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not here: the unit was not verified")
    unit = (HOUSE / "deploy/hookfold.service").read_text(encoding="utf-8")
    installed = unit.replace("/opt/hookfold/.venv/bin/hookfold", sys.executable)
    (tmp_path / "hookfold.service").write_text(installed, encoding="utf-8")

    done = subprocess.run(
        [str(analyze), "verify", str(tmp_path / "hookfold.service")], capture_output=True, text=True, check=False
    )

    assert (done.returncode, [line for line in done.stderr.splitlines() if "hookfold.service" in line]) == (0, [])
    assert "ExecReload=/bin/kill -HUP $MAINPID" in unit


def test_the_container_builds_and_answers(tmp_path: Path):
    engine = shutil.which("podman") or shutil.which("docker")
    if engine is None or subprocess.run([engine, "info"], capture_output=True, check=False, timeout=60).returncode:
        pytest.skip("no docker or podman runs here: the container was not built")
    run([engine, "build", "-q", "-f", "deploy/Containerfile", "-t", "hookfold-test", "."], HOUSE)

    told = run([engine, "run", "--rm", "hookfold-test", "hookfold", "--version"], tmp_path)

    assert "hookfold" in told


def test_the_container_gets_every_part_of_the_house():
    copied = (HOUSE / "deploy/Containerfile").read_text(encoding="utf-8")

    assert all(f" {part}" in copied for part in PARTS)
