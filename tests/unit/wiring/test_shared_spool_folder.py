"""Two logs may share a `spool_folder`: what waits for one of them is never taken into the other one."""

import shutil
from contextlib import closing
from pathlib import Path

from adapters.config import load
from wiring.opening import start
from wiring.spools import drained

CONFIGURATION = """
[service]
spool_folder = "{folder}"

[sources.captions]
provider = "mentraos"
package_name = "com.example.captions"
mode = "proxy"
forward_to = "http://127.0.0.1:9"
on_store_failure = "spool"
"""


def test_each_log_drains_a_folder_of_its_own_over_restarts(sqlite_template: Path, tmp_path: Path):
    shared = tmp_path / "spool"

    def folders(log: str) -> list[Path]:
        """Those that a start drains."""
        config, file = tmp_path / log / "hookfold.toml", tmp_path / log / "hookfold.db"
        if not file.exists():
            config.parent.mkdir()
            config.write_text(CONFIGURATION.format(folder=shared))
            shutil.copyfile(sqlite_template, file)
        parts = start(load(config, {"HOOKFOLD_DATABASE_URL": f"sqlite:///{file}"}))
        with closing(parts):
            return [one.folder for one in drained(parts.settings, parts.ids, parts.spooled_as)]

    one, other = folders("one"), folders("other")

    assert one != other
    assert all(folder.is_relative_to(shared) for folder in (*one, *other))
    assert (len(one), folders("one")) == (1, one)
