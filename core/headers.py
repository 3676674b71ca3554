"""The canonical text of headers, which the leaf commits to: field lines `name:value` in UTF-8, separated by line feeds.

A value that contains a line feed (a folded line: RFC 9112, 5.2) continues after a line feed and a space. A name with a
colon, a space or a line feed (RFC 9110, 5.1 forbids them) would read back as another name and is refused. So the lines
reproduce the headers exactly.
"""

import re
from operator import itemgetter

from core.event import Headers

_END, _FOLD = "\n", "\n "
_BETWEEN = re.compile(r"\n(?! )")
_name = itemgetter(0)


def to_lines(headers: Headers) -> bytes:
    """The field lines. Raises ValueError for a name that `misnamed` finds, and for text that is not valid Unicode."""
    if (name := misnamed(headers)) is not None:
        msg = f"{name!r} is no name of a header"
        raise ValueError(msg)
    text = _END.join(map(":".join, headers))
    if text.count(_END) >= len(headers) > 0:
        text = _END.join([f"{name}:{value.replace(_END, _FOLD)}" for name, value in headers])
    return text.encode()


def from_lines(content: bytes) -> Headers:
    """Parses field lines back into headers."""
    fields = (line.partition(":") for line in _BETWEEN.split(content.decode()) if content)
    return [(name, value.replace(_FOLD, _END)) for name, _, value in fields]


def misnamed(headers: Headers) -> str | None:
    """The first name that no field line can express; None if there is none. A server's names always can."""
    names = "".join(map(_name, headers))
    if ":" in names or " " in names or _END in names:
        return next(name for name, _ in headers if any(sign in name for sign in (":", " ", _END)))
    return None
