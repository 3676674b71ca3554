"""The wheel has all that it needs."""

import re
import sys
import zipfile
from pathlib import Path

from tests.deploy.conftest import HOUSE, build_wheel, copy_house, install, run, site_of

PAGE = (HOUSE / "docs/operate.md").read_text(encoding="utf-8")


def test_the_wheel_has_every_file_that_the_house_reads(installed: Path):
    read = {
        str(path.relative_to(HOUSE))
        for folder in ("core", "adapters", "wiring", "migrations")
        for path in (HOUSE / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }

    assert read
    assert {path for path in read if not (site_of(installed) / path).exists()} == set()


def test_what_pip_installed_begins_a_log_and_checks_it(installed: Path, tmp_path: Path):
    surroundings = {"HOOKFOLD_DATABASE_URL": f"sqlite:///{tmp_path}/hookfold.db", "HOOKFOLD_CONFIG": "hookfold.toml"}

    def typed(*words: str) -> str:
        return run([str(installed / "bin/hookfold"), *words], tmp_path, **surroundings)

    typed("init")
    typed("db", "new")

    assert "fault" not in typed("db", "check")
    where = run([str(installed / "bin/python"), "-c", "import app; print(app.__file__)"], tmp_path)
    assert Path(where.strip()).parent == site_of(installed)


def test_an_upgrade_as_the_page_has_it_replaces_the_code_and_keeps_no_module_that_was_removed(tmp_path: Path):
    (clear,) = re.findall(r"^(rm .*) && .*pip wheel", PAGE, re.MULTILINE)
    (options,) = re.findall(r"pip install (.*) \./hookfold-", PAGE)
    checkout, venv = tmp_path / "checkout", tmp_path / "venv"
    checkout.mkdir()
    copy_house(checkout)
    removed = checkout / "core/removed.py"
    removed.touch()
    run([sys.executable, "-m", "venv", "--without-pip", str(venv)], tmp_path)
    install(venv, *options.split(), str(build_wheel(checkout)))
    assert (site_of(venv) / "core/removed.py").exists()

    removed.unlink()
    (checkout / "app.py").write_text("NEW = True\n")
    run(["sh", "-c", clear], checkout)
    wheel = build_wheel(checkout)
    install(venv, *options.split(), str(wheel))

    assert "core/removed.py" not in zipfile.ZipFile(wheel).namelist()
    assert not (site_of(venv) / "core/removed.py").exists()
    assert (site_of(venv) / "app.py").read_text() == "NEW = True\n"
