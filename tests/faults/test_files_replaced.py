"""The path names other files than those that are open: what a start would not find is not acknowledged."""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.faults.test_database_away import await_, positions
from tests.support.logs import wms
from tests.support.service import Service, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the service's processes in /proc")


def remove_all(file: Path) -> None:
    for one in file.parent.glob(file.name + "*"):
        one.unlink()


def move_a_backup_over(file: Path) -> None:
    shutil.copyfile(file, file.with_name("backup"))
    file.with_name("backup").replace(file)


def remove_the_wal(file: Path) -> None:
    file.with_name(file.name + "-wal").unlink()


def replace_the_wal(file: Path) -> None:
    remove_the_wal(file)
    file.with_name(file.name + "-wal").touch()


def remove_the_shared_memory(file: Path) -> None:
    file.with_name(file.name + "-shm").unlink()


@pytest.fixture
def file(sqlite_url: str, tmp_path: Path) -> Path:
    return tmp_path / "hookfold.db"


@pytest.fixture(params=["serve", "wsgi"])
def service(request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path) -> Iterator[Service]:
    with running(sqlite_url, tmp_path / "service", front=request.param) as service:
        yield service


@pytest.mark.parametrize(
    ("service", "harm", "what"),
    [
        ("serve", remove_all, "hookfold.db was moved or removed while"),
        ("serve", remove_the_wal, "hookfold.db-wal was removed"),
        ("wsgi", move_a_backup_over, "another file stands at"),
        ("wsgi", replace_the_wal, "hookfold.db-wal was replaced"),
        ("wsgi", remove_the_shared_memory, "hookfold.db-shm was removed"),
    ],
    indirect=["service"],
)
def test_nothing_is_acknowledged_into_files_that_the_path_does_not_name(
    service: Service, file: Path, harm: Callable[[Path], None], what: str
):
    assert [service.wms(wms("s", number)).status for number in range(5)] == [200] * 5

    harm(file)

    assert service.wms(wms("s", 5)).status == 503
    assert service.send("GET", "/readyz").status == 503
    assert service.send("GET", "/v1/sessions").status == 503
    assert service.send("GET", "/v1/audit/checkpoint").status == 503
    assert service.send("GET", "/healthz").status == 200
    await_(lambda: "database_gone" in service.log.read_text())
    (told,) = [line for line in service.log.read_text().splitlines() if "database_gone" in line]
    assert what in told
    assert "restart" in told


def test_a_process_that_is_started_anew_takes_no_other_file(sqlite_url: str, file: Path, tmp_path: Path):
    with running(sqlite_url, tmp_path / "service") as service:
        assert service.wms(wms("s", 0)).status == 200
        move_a_backup_over(file)
        await_(lambda: "another file stands at" in service.log.read_text())  # nobody asked: it is seen all the same

        for kind in ("writer", "server"):
            old = service.children()[kind][0]
            os.kill(old, signal.SIGKILL)
            await_(partial(_is_followed, service, kind, old))

        await_(lambda: _status(service) == 503)
        assert service.send("GET", "/readyz").status == 503


def test_files_that_were_put_back_are_taken_again(service: Service, file: Path, tmp_path: Path):
    assert service.wms(wms("s", 0)).status == 200
    (tmp_path / "aside").mkdir()
    for one in list(tmp_path.glob("hookfold.db*")):
        one.rename(tmp_path / "aside" / one.name)
    assert service.wms(wms("s", 1)).status == 503

    for one in list((tmp_path / "aside").iterdir()):
        one.rename(tmp_path / one.name)

    assert service.wms(wms("s", 1)).status == 200
    assert service.send("GET", "/readyz").status == 200


def test_what_was_acknowledged_before_the_wal_was_removed_is_there_after_a_restart(
    sqlite_url: str, file: Path, tmp_path: Path
):
    with running(sqlite_url, tmp_path / "service") as service:
        acknowledged = [int(service.wms(wms("s", at)).headers["hookfold-position"]) for at in range(40)]
        remove_the_wal(file)
        await_(lambda: "what was committed is safe in hookfold.db" in service.log.read_text())
        children = [pid for kind in service.children().values() for pid in kind]
        os.kill(service.process.pid, signal.SIGKILL)
        service.process.wait()
        await_(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))

    file.with_name("hookfold.db-shm").unlink(missing_ok=True)
    with running(sqlite_url, tmp_path / "service") as service:
        assert positions(service) == acknowledged


def _is_followed(service: Service, kind: str, old: int) -> bool:
    now = service.children()[kind]
    return bool(now) and old not in now


def _status(service: Service) -> int:
    try:
        return service.wms(wms("t", 0)).status
    except OSError:
        return 0
