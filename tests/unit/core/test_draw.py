"""The documentation of the machines."""

from pathlib import Path

from core.views.draw import page

PAGE = Path(__file__).parents[3] / "docs" / "machines.md"


def test_the_page_of_the_machines_is_current():
    assert PAGE.read_text() == page(), "python -m core.views.draw > docs/machines.md"
