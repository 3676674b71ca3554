"""axe-core, which finds what keeps people from using a page. From npm, into a folder of the tests' own."""

import shutil
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.support.browser import Browser

VERSION = "4.14.1"
DIGEST = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

_RUN = """
const done = arguments[arguments.length - 1];
axe.run("html", arguments[0]).then(
  found => done(found.violations.map(one => [one.id, one.help, ...one.nodes.map(node => node.html)])), done);
"""


class AbsentError(Exception):
    """Why it is not there."""


def source(folder: Path) -> str:
    """The script. Raises AbsentError where it is not in the folder and cannot be fetched."""
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        _fetch(folder)
    content = script.read_bytes()
    if sha256(content).hexdigest() != DIGEST:
        raise AbsentError(f"{script} is not axe-core {VERSION}: remove it")
    return content.decode()


def violations(browser: Browser, script: str, only: str | None = None) -> list[Any]:
    """What the page does wrong: rule, what it asks for, and the elements. `only`: one rule."""
    asked = {"type": "rule", "values": [only]} if only else {"type": "tag", "values": RULES}
    if not browser.run("return typeof axe === 'object'"):
        browser.run(script)
    found: list[Any] = browser.driver.execute_async_script(_RUN, {"runOnly": asked})
    return found


def _fetch(folder: Path) -> None:
    if (npm := shutil.which("npm")) is None:
        raise AbsentError("npm is not there to fetch axe-core")
    command = [npm, "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)]
    fetched = subprocess.run(
        [*command, f"axe-core@{VERSION}"], check=False, capture_output=True, text=True, timeout=120
    )
    if fetched.returncode != 0:
        raise AbsentError(f"npm could not fetch axe-core: {fetched.stderr.strip()[-300:]}")
