"""The console over a large log: how long each page takes to its first byte, and how large it is."""

import http.client
import time
from statistics import median

from bench.asking import Asking
from bench.command import Place, main
from bench.fill import filled
from bench.measure import say
from bench.results import Figure, rate
from bench.servers import BY_DEFAULT, Server, hookfold

FIRST_BYTE_MS = 150
KILOBYTES = 200
LISTS = ("sessions", "measurements", "actions", "devices", "registrations", "deliveries", "events")


def console(place: Place) -> list[Figure]:
    """Every database; every page of the console."""
    return [figure for kind in place.databases for figure in _of_database(place, kind)]


def _of_database(place: Place, kind: str) -> list[Figure]:
    log = filled(place, kind, place.scale.large)
    with hookfold(log.folder, log.url, BY_DEFAULT) as server:
        return [figure for path in _pages(server) for figure in _asked(place, kind, server, path)]


def _pages(server: Server) -> list[str]:
    with Asking(server.port) as ask:
        things = [
            f"/{kind}/{found[0]['id']}"
            for kind in ("sessions", "measurements")
            if (found := ask.get(f"/v1/{kind}?limit=1")["data"])
        ]
        past = ask.get(f"/v1/events/{_middle(ask)}")["recorded_at"]
        (then,) = ask.get(f"/v1/sessions?known_at={past}&limit=1")["data"]
    middle = [f"/sessions?state=closed&known_at={past}", f"/sessions/{then['id']}?known_at={past}"]
    reports = [f"{path}/report" for path in things if path.startswith("/measurements")]
    return ["/", *(f"/{name}" for name in LISTS), "/machines", "/replays", "/docs", *things, *reports, *middle]


def _middle(ask: Asking) -> int:
    """A position in the middle of the log."""
    return max(1, int(ask.get("/v1/overview")["position"]) // 2)


def _asked(place: Place, kind: str, server: Server, path: str) -> list[Figure]:
    name = path.partition("?")[0].partition("_")[0]
    name += " of the past" if "known_at" in path else " report" if path.endswith("/report") else ""
    say(f"  {kind}, {name}")
    found = [_first_byte(server.port, path) for _ in range(10 * place.scale.rounds)]
    settings = {"database": kind, "events": place.scale.large, "asked": len(found)}
    return [
        rate(
            f"console {kind}, {name}, first byte",
            [median([one * 1e3 for one, _ in found])],
            unit="ms",
            wanted=FIRST_BYTE_MS,
            less=True,
            settings=settings,
        ),
        rate(
            f"console {kind}, {name}, size",
            [max(size for _, size in found) / 1e3],
            unit="kB",
            wanted=KILOBYTES,
            less=True,
            settings=settings,
        ),
    ]


def _first_byte(port: int, path: str) -> tuple[float, int]:
    """Seconds until the answer began, and the bytes of all of it. Raises RuntimeError for every status but 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    began = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    taken = time.perf_counter() - began
    size = len(answer.read())
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status}")
    return taken, size


if __name__ == "__main__":
    main({"console": console})
