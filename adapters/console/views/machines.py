"""Every machine as a diagram and as a table, from its declaration."""

from flask import Blueprint, render_template

from adapters.console import pictures
from adapters.console.asking import Asking


def add(pages: Blueprint, ask: Asking) -> None:
    """Adds the page of all machines."""

    def machines() -> str:
        found = ask.answer("machines", {"limit": "100"}).data
        regions = {one.name: [(each, pictures.diagram(each)) for each in one.regions or [one]] for one in found}
        return render_template("console/machines.html", machines=found, regions=regions)

    pages.add_url_rule("/machines", "machines", machines)
