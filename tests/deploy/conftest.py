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
    copy_house(folder)
    wheel = build_wheel(folder)
    run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], folder)
    (site_of(folder / "venv") / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install(folder / "venv", "--no-deps", str(wheel))
    return folder / "venv"


def copy_house(folder: Path) -> None:
    """What a wheel is built from."""
    for part in PARTS:
        copy = shutil.copy if (HOUSE / part).is_file() else shutil.copytree
        copy(HOUSE / part, folder / part)


def build_wheel(folder: Path) -> Path:
    """The wheel, in the folder that it was built from."""
    return folder / run([sys.executable, "-c", BUILD, str(folder)], folder).splitlines()[-1]


def install(venv: Path, *words: str) -> None:
    """`pip install` with these words, into the environment, and from no index."""
    run([sys.executable, *PIP, str(venv / "bin/python"), "install", "--no-index", *words], venv)


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
