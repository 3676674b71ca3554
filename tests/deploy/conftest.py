"""The wheel, as pip puts it into a virtual environment of its own."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
PARTS = ["app.py", "pyproject.toml", "README.md", "core", "adapters", "wiring", "migrations"]
BUILD = "import sys; from setuptools.build_meta import build_wheel; print(build_wheel(sys.argv[1]))"
PIP = ["-m", "pip", "--quiet", "--disable-pip-version-check", "--python"]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment. The wheel was built from a copy: a build leaves files behind. What it needs is found here."""
    folder = tmp_path_factory.mktemp("wheel")
    for part in PARTS:
        copy = shutil.copy if (HOUSE / part).is_file() else shutil.copytree
        copy(HOUSE / part, folder / part)
    built = run([sys.executable, "-c", BUILD, str(folder)], folder)
    run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], folder)
    (site_of(folder / "venv") / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    wheel = str(folder / built.splitlines()[-1])
    run([sys.executable, *PIP, str(folder / "venv/bin/python"), "install", "--no-deps", "--no-index", wheel], folder)
    return folder / "venv"


def site_of(venv: Path) -> Path:
    """Where its packages are."""
    return Path(sysconfig.get_path("purelib", vars={"base": str(venv)}))


def run(command: list[str], folder: Path, **environment: str) -> str:
    """What a command prints, which has to end well."""
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
