"""Where a figure was measured: hardware, versions, durability."""

import os
import platform
import sqlite3
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from sqlalchemy import URL

from adapters.sql import open_engine
from bench.postgres import DURABLE, Durable

PACKAGES = ("granian", "flask", "sqlalchemy", "psycopg", "msgspec", "transitions", "eventsourcing")


def surroundings(postgres: Durable) -> dict[str, str]:
    """Words for every figure of a run."""
    server = postgres.show("server_version").partition(" ")[0]
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "processor": f"{os.cpu_count()} cores, {_processor()}",
        "load": f"{os.getloadavg()[0]:.1f} processes ran before the run",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
        "sqlite": f"{sqlite3.sqlite_version}: {_sqlite_durability()}",
        "postgresql": f"{server}: " + ", ".join(f"{name}={postgres.show(name)}" for name in DURABLE),
        "disk": f"a write of 4 KiB and its fdatasync take {_sync_time() * 1e3:.2f} ms (median of 50)",
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return names[0].partition(": ")[2] if names else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _sqlite_durability() -> str:
    """What a connection of Hookfold's really has, asked of the database."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(URL.create("sqlite", database=f"{folder}/asked.db").render_as_string())
        with engine.connect() as connection:
            journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
            level = connection.exec_driver_sql("PRAGMA synchronous").scalar()
        engine.dispose()
    names = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}
    return f"journal_mode={journal}, synchronous={names[int(level or 0)]}"


def _sync_time() -> float:
    """Seconds: what durability costs on this disk; a figure taken on a disk that lies is worth nothing."""
    with tempfile.TemporaryFile() as file:
        return median(_one_sync(file.fileno()) for _ in range(50))


def _one_sync(number: int) -> float:
    began = time.perf_counter()
    os.write(number, bytes(4096))
    os.fdatasync(number)
    return time.perf_counter() - began
