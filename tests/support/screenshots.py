"""Pictures of every page, as wide as a telephone and as a desk: `make screenshots`, or with a folder of its own."""

import sys
import tempfile
from pathlib import Path

from tests.support.browser import Browser, chromium, missing
from tests.support.demo_log import TOKEN, ask, demo_service, places, scan, send
from tests.support.service import Service

WIDTHS = (390, 1440)
TALLEST = 4_000
OF_THE_README = (1_100, 760)


def main(folder: Path) -> None:
    """Starts a service with the demo's traffic and a browser, and takes the pictures."""
    if absent := missing():
        sys.exit(f"not there: {' and '.join(absent)} (Debian's packages chromium and chromium-driver)")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hookfold-screenshots-") as place, demo_service(Path(place) / "s") as one:
        send(one, "clinic", scan("a-visit"))
        with chromium(Path(place), f"http://127.0.0.1:{one.port}") as browser:
            browser.zone("UTC")
            browser.open("/")
            for width in WIDTHS:
                _take(browser, folder / f"sign-in-{width}.png", width)
            browser.one("#token").send_keys(TOKEN)
            browser.press("Sign in")
            for path in _pages(one):
                browser.open(path)
                for width in WIDTHS:
                    _take(browser, folder / f"{_name(path)}-{width}.png", width)
            for path, name in (
                ("/", "overview"),
                (f"{_newest(one)}#why", "session"),
                (f"{_measured(one)}#signal", "measurement"),
            ):
                browser.open(path)
                browser.width(*OF_THE_README)
                (folder / f"readme-{name}.png").write_bytes(browser.driver.get_screenshot_as_png())
            browser.scheme("dark")
            for path in ("/", _newest(one)):
                browser.open(path)
                _take(browser, folder / f"{_name(path)}-dark-1440.png", 1440)


def _pages(service: Service) -> list[str]:
    told = ask(service, "/v1/sessions?state=abandoned&limit=1")["data"]
    past = f"{_newest(service)}?as_of={ask(service, _newest(service, '/v1'))['first_at']}"
    abandoned = [f"/sessions/{one['id']}#abandoned" for one in told]
    return [*places(service), *abandoned, past, "/deliveries?verdict=rejected"]


def _newest(service: Service, before: str = "") -> str:
    (one,) = ask(service, "/v1/sessions?source=clinic&limit=1")["data"]
    return f"{before}/sessions/{one['id']}"


def _measured(service: Service) -> str:
    (one,) = ask(service, "/v1/measurements?outcome=completed&limit=1")["data"]
    return f"/measurements/{one['id']}"


def _take(browser: Browser, file: Path, width: int) -> None:
    browser.width(width)
    height = int(browser.run("return document.documentElement.scrollHeight"))
    browser.width(width, min(height, TALLEST))
    file.write_bytes(browser.driver.get_screenshot_as_png())
    sys.stdout.write(f"{file}\n")


def _name(path: str) -> str:
    """`session` for `/sessions/ses_…`, and so on."""
    place, _, mark = path.strip("/").partition("#")
    place, _, query = place.partition("?")
    kind, _, rest = place.partition("/")
    name = kind[:-1] + ("-report" if rest.endswith("/report") else "") if rest else kind or "overview"
    return "-".join(part for part in (name, mark, query.partition("=")[0]) if part)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/screenshots"))
