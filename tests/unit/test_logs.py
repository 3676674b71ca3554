"""Log lines: one for each event, whatever is in it, and nothing of what somebody sent."""

import json
import os
import tempfile
from typing import Any

from adapters.server.processes.logs import LONGEST
from tests.support.launcher import launch

SETUP = """
import logging, os, sys, structlog; os.dup2(os.open(sys.argv[1], os.O_WRONLY), 1)
from adapters.server import configure_logs
configure_logs()
log = structlog.get_logger()
"""
HOSTILE = "one\r\ntwo\x1b[31m\u2028\u0085\x00"


def logged(code: str) -> list[dict[str, Any]]:
    """What a process that runs the code logs."""
    return [json.loads(line) for line in told_by(code)]


def told_by(code: str) -> list[str]:
    """The same, line by line."""
    with tempfile.NamedTemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        assert launch(SETUP + code, [stdout.name], os.environ, stderr).wait() == 0
        stderr.seek(0)
        assert stdout.read() == b""
        return stderr.read().decode("ascii").splitlines()


def test_control_characters_and_line_ends_stay_inside_of_the_line():
    (line,) = logged(f"log.warning('odd', agent={HOSTILE!r})")

    assert (line["event"], line["level"], line["agent"]) == ("odd", "warning", HOSTILE)


def test_a_long_value_is_cut():
    (line,) = logged("log.warning('long', agent='a' * 1_000_000)")

    assert len(line["agent"]) == LONGEST


def test_an_exception_is_told_by_kind_and_place_without_its_words():
    code = "\ntry:\n    raise ValueError('ann@example.com')\nexcept ValueError:\n    "

    ours, theirs = logged(code + "log.exception('failed'); logging.getLogger('asyncio').exception('failed too')")

    for line in (ours, theirs):
        assert line["error"] == "ValueError"
        assert line["frames"] == ["<string>:8 <module>"]
        assert "ann" not in json.dumps(line)


def test_what_libraries_log_has_the_same_shape_and_only_their_warnings_are_told():
    (theirs,) = logged(
        f"logging.getLogger('asyncio').info('quiet'); logging.getLogger('other').warning('odd %s', {HOSTILE!r})"
    )

    assert (theirs["event"], theirs["level"]) == (f"odd {HOSTILE}", "warning")
    assert theirs.keys() == {"event", "level", "at"}


def test_the_driver_warns_of_nothing_that_it_raises_too():
    (theirs,) = logged(
        "driver = logging.getLogger('psycopg'); driver.warning('error ignored in rollback'); driver.error('broken')"
    )

    assert theirs["event"] == "broken"


def test_lines_that_the_disk_does_not_take_fail_nobody_and_are_counted():
    full, room = "limit(RLIMIT_FSIZE, (40, RLIM_INFINITY))", "limit(RLIMIT_FSIZE, (RLIM_INFINITY, RLIM_INFINITY))"
    code = f"""
from resource import RLIM_INFINITY, RLIMIT_FSIZE, setrlimit as limit
{full}; log.warning('cut'); logging.getLogger('asyncio').warning('lost'); log.warning('lost')
{room}; log.warning('taken')
"""

    cut, told, taken = told_by(code)

    assert len(cut) == 40
    assert (json.loads(told)["event"], json.loads(told)["lines"]) == ("log_lines_lost", 3)
    assert json.loads(taken)["event"] == "taken"


def test_a_reader_of_the_log_that_has_left_fails_nobody():
    left = "reading, writing = os.pipe(); os.close(reading); os.dup2(writing, 2)\n"

    assert told_by(left + "log.warning('unheard'); logging.getLogger('asyncio').warning('unheard')") == []
