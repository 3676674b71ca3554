"""The wheel has all that it needs."""

from pathlib import Path

from tests.deploy.conftest import HOUSE, run, site_of


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
