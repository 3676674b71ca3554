"""A client whose machine is cut off says nothing more, not even that it goes."""

import os
import shutil
import subprocess
import sys

import pytest

CUT_OFF = """
import socket, subprocess
from adapters.server.processes import ports

ports._UNHEARD = 500
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
with ports._listening("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()) as client:
    connection, _ = listening.accept()
    connection.sendall(b"one")
    assert client.recv(3) == b"one"
    subprocess.run(["ip", "link", "set", "lo", "down"], check=True)
    connection.sendall(b"two")
    connection.settimeout(20)
    try:
        connection.recv(1)
    except OSError as error:
        print(error.strerror)
"""


def _has_networks_of_its_own() -> bool:
    """Whether a network can be made here that is nobody else's."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
        return False
    return subprocess.run(["unshare", "--net", "true"], check=False).returncode == 0


@pytest.mark.skipif(not _has_networks_of_its_own(), reason="cuts a network of its own off: wants root, unshare and ip")
def test_who_acknowledges_nothing_is_let_go():
    told = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", CUT_OFF], check=True, capture_output=True, text=True
    )

    assert told.stdout == "Connection timed out\n"
