"""A house whose log is written to a file, or taken from one."""

from io import BytesIO
from itertools import count
from typing import Any

from adapters.archive import Intake
from adapters.archive.export import export_lines
from adapters.sql import OWN, Code, Entry, ExportReader, Importer, ImportOutcome, Keeper, Selection, keeper
from core.event import Unreadable
from core.ids import Ids
from tests.support.house import NOON, SECOND, House, pushed, start, stop, wms

LATER = NOON + 86_400 * SECOND
"""The importing clock's time: another day."""


class Place(House):
    """A log that can be exported and imported into."""

    def busy(self) -> None:
        """Traffic of every provider: in and out of order, twice, in conflict, unreadable, unknown, rejected."""
        for number in (0, 1, 3, 2):
            self.send("clinic", wms("s-1", number))
        self.send("captions", start("=ada"))
        self.send("captions", stop("=ada", reason="-user"))
        self.send("older", start("bob"))
        self.send("energy", pushed("a-1"), key="msg_1")
        self.reject("clinic")
        self.send("energy", pushed("a-1"), key="msg_1")
        self.send("energy", pushed("a-1", completedAt="2023-11-14T22:00:09Z"), key="msg_1")
        self.send("energy", b'{"type": "device.connected", "deviceId": "car-2"}', key="msg_2")
        self.tell(source="energy", key="t-1", action_id="a-2", state="acknowledged", occurred_at=NOON)
        self.send("clinic", b"\xff\x00 not JSON")
        self.send("captions", b'{"type": "brand_new", "sessionId": "x-y"}')
        self.send("clinic", wms("s-2", 0, "MEASUREMENT_STARTED"))
        self.send("clinic", wms("s-2", 1, "MEASUREMENT_CREATED", measurementId="m-1"))

    def own(self) -> None:
        """Something that Hookfold records of itself."""
        self.log.append([Entry(OWN, NOON, [], b'{"told": "something"}', None, b"own", Unreadable("of no stream"))])

    def keeper(self) -> Keeper:
        """What erases and retracts in this log."""
        return keeper(self.engine, self.code, self.log, lambda: LATER, "command line")

    def export(self, **chosen: Any) -> bytes:
        """The log as a file."""
        return b"".join(export_lines(ExportReader(self.engine), self.ids, Selection(**chosen), lambda *_: None))

    def take(self, file: bytes, *, ids: Ids | None = None, outcome: ImportOutcome | None = None) -> ImportOutcome:
        """Imports a file; what was taken before an Unimportable stands in `outcome`."""
        ids, outcome, ticks = ids or self.ids, outcome or ImportOutcome(), count(LATER, 1_000)
        intake = Intake(BytesIO(file), ids, self.api.sources)
        importer = Importer(self.engine, Code(ids, self.api.sources), lambda: next(ticks), whole=intake.whole)
        try:
            intake.into(importer, lambda *_: None, outcome)
        finally:
            importer.close()
        return outcome

    def rows(self, sql: str) -> list[Any]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def told(self, *, positions: bool = True) -> dict[str, Any]:
        """All that the API says of states; `positions=False` leaves out what another order of arrival changes."""
        paths = ("sessions", "measurements", "actions", "devices", "registrations")
        lists = {path: self.get(f"/v1/{path}", limit=100)["data"] for path in paths}
        return {path: [one if positions else _bare(one) for one in found] for path, found in lists.items()}


def _bare(one: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if name not in {"position", "anomalies", "snr", "derived"}}
