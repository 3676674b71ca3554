"""The whole set-up and a slice of the tests as on a machine that never saw Hookfold: what `make fresh` runs.

A clone of HEAD in a folder with a space, empty caches, no home to write to, a temporary directory of its own; where we
are root, first as `nobody` and then as root. Each set-up is tested twice. Nothing may be left of it.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.support.run import open_to_all

HOUSE = Path(__file__).parents[2]
SLICE = [
    "tests/faults/test_run_left_behind.py",
    "tests/contract/test_settled.py",
    "tests/archive/test_broken_files.py",
    "tests/cli/test_init.py",
    "tests/unit/server",
]


def main(python: str) -> None:
    accounts = Path("/etc/passwd").read_bytes()
    temporary = Path(tempfile.gettempdir())
    for user in ["nobody", "root"] if os.geteuid() == 0 else [None]:
        before = set(temporary.iterdir())
        place = Path(tempfile.mkdtemp(prefix="never seen "))
        try:
            try_out(place, python, user)
            check(Path("/etc/passwd").read_bytes() == accounts, "/etc/passwd is another one")
            check(left_in(place) == [], f"processes are left: {left_in(place)}")
        finally:
            shutil.rmtree(place)
        ours = {path for path in set(temporary.iterdir()) - before if is_ours(path, user)}
        check(not ours, f"left in {temporary}: {sorted(map(str, ours))}")
        sys.stdout.write(f"fresh: as {user or 'ourselves'}, twice, and nothing is left\n")


def try_out(place: Path, python: str, user: str | None) -> None:
    house, own = place / "check out", place / "tmp"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", HOUSE, house], check=True)
    own.mkdir()
    place.chmod(0o755)
    as_whom: dict[str, Any] = {"cwd": house, "env": surroundings(own)}
    if user:
        account = pwd.getpwnam(user)
        for path in (place, *place.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
        as_whom |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    if user == "nobody":
        check(open_to_all(Path(python).resolve()), f"{python} cannot be reached by {user}: make fresh PYTHON=...")
    for _ in range(2):
        subprocess.run(["make", "lint", "types", "imports", f"PYTHON={python}"], check=True, **as_whom)
        subprocess.run([".venv/bin/pytest", "-q", "-n", "2", "--dist", "worksteal", *SLICE], check=True, **as_whom)
        check(list(own.iterdir()) == [], f"left in the temporary directory: {[path.name for path in own.iterdir()]}")
    told = subprocess.run(["git", "status", "--porcelain"], check=True, capture_output=True, text=True, **as_whom)
    check(told.stdout == "", f"git status: {told.stdout}")


def surroundings(temporary: Path) -> dict[str, str]:
    """No home that could be written to, by root either, hence no caches."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name == "PATH"}
    return kept | {"HOME": "/dev/null", "TMPDIR": str(temporary), "LC_ALL": "C.UTF-8"}


def left_in(place: Path) -> list[int]:
    """Processes that were started in the place and go on."""
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        try:
            if os.fsencode(place) in file.read_bytes():
                found.append(int(file.parent.name))
        except OSError:  # it ended, or is somebody else's
            continue
    return found


def is_ours(path: Path, user: str | None) -> bool:
    """Others use the temporary directory, too."""
    account = pwd.getpwnam(user).pw_uid if user else os.geteuid()
    named = path.name.startswith(("hookfold-run-", "pg-", "wheel-", "pytest-of-"))
    return named and path.exists() and path.stat().st_uid == account


def check(good: bool, otherwise: str) -> None:
    if not good:
        sys.exit(f"fresh: {otherwise}")


if __name__ == "__main__":
    main(sys.argv[1])
