"""The plan of the house, where the import-linter cannot see it."""

import tomllib
from pathlib import Path

HOUSE = Path(__file__).parents[2]


def test_every_adapter_folder_keeps_its_inside_to_itself():
    folders = {path.parent.name for path in HOUSE.glob("adapters/*/__init__.py")}

    contracts = tomllib.loads((HOUSE / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

    protected = {name for contract in contracts for name in contract.get("protected_modules", [])}
    assert {f"adapters.{folder}.*" for folder in folders} <= protected


def test_no_test_folder_is_a_package_that_could_shadow_the_real_one():
    assert list(HOUSE.glob("tests/**/__init__.py")) == []


def test_the_locks_name_no_place_to_download_from():
    for lock in HOUSE.glob("requirements*.txt"):
        assert "://" not in lock.read_text()
        assert "--index" not in lock.read_text()
