"""Databases with very many events in them, put there as every event is, and kept for the benchmarks that follow."""

import itertools
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import URL, make_url

from bench.command import Filled, Place
from bench.measure import say
from bench.own import Own
from bench.servers import HOME
from bench.traffic import STEPS, Traffic

_FIRST_BATCH = 256
"""Events that share a commit: as many as there are open sessions, so that each is folded and written by itself."""

_BATCH = 4_096
"""The same in what is put behind an earlier database, whose size on disk nobody measures: half the time."""


def filled(place: Place, kind: str, events: int) -> Filled:
    """A database of that kind with so many events; all kinds are filled at the same time, when one is first wanted.

    A larger one is a copy of a smaller one and more behind it: what is asked of the one can be asked of the other.
    """
    if (kind, events) not in place.filled:
        _fill(place, events)
    return place.filled[kind, events]


def first_sessions(place: Place, kind: str) -> str:
    """The name of the traffic that is in all filled databases of that kind, the smallest included."""
    return _name(min(events for one, events in place.filled if one == kind))


def _name(events: int) -> str:
    return f"f{events}-"


def _fill(place: Place, events: int) -> None:
    began, running = time.monotonic(), {}
    for kind in place.databases:
        before = _largest_below(place, kind, events)
        folder = place.folder / f"filled-{kind}-{events}"
        folder.mkdir()
        url = _new_database(place, kind, folder, before)
        count = events - (before.events if before else 0)
        batch = _BATCH if before else _FIRST_BATCH
        command = [sys.executable, "-m", "bench.fill", str(folder), url, _name(events), str(count), str(batch)]
        running[kind] = (folder, url, before, subprocess.Popen(command, cwd=HOME, stdout=subprocess.PIPE))
    for kind, (folder, url, before, process) in running.items():
        output, _ = process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"{url} could not be filled")
        told = json.loads(output)
        all_of = Filled(url, folder, told["events"], told["raw"] + (before.raw if before else 0))
        place.filled[kind, events] = all_of
        say(f"  {kind} has {all_of.events:,} events after {time.monotonic() - began:.0f} s")


def _largest_below(place: Place, kind: str, events: int) -> Filled | None:
    smaller = [count for one, count in place.filled if one == kind and count < events]
    return place.filled[kind, max(smaller)] if smaller else None


def _new_database(place: Place, kind: str, folder: Path, before: Filled | None) -> str:
    if kind == "postgresql":
        template = (make_url(before.url).database or "") if before else "template1"
        return place.postgres.url(place.postgres.create(template))
    path = folder / "log.db"
    if before:
        shutil.copyfile(before.folder / "log.db", path)
    return URL.create("sqlite", database=str(path)).render_as_string()


def main(folder: str, url: str, name: str, count: str, batch: str) -> None:
    """Fills one database, in a process of its own."""
    own, raw = Own(Path(folder), url), 0
    messages = iter(Traffic(name, most=int(count) // len(STEPS)))
    while chunk := list(itertools.islice(messages, int(batch))):
        own.append_all(chunk)
        raw += sum(message.size for message in chunk)
    print(json.dumps({"events": own.stored, "raw": raw}))
    own.close()


if __name__ == "__main__":
    arguments: Sequence[str] = sys.argv[1:]
    main(*arguments)
