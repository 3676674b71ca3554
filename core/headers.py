"""Headers as they are committed to and, packed, stored: field lines in UTF-8, `name:value`, a line feed between two.

A value that was handed over with a line feed in it (a folded line: RFC 9112, 5.2) goes on behind a line feed and a
space. No name holds a colon or white space (RFC 9110, 5.1): one with a colon, a space or a line feed in it would be
read as another one, and is refused. So the lines say exactly what was handed over.
"""

import re
from operator import itemgetter

from core.event import Headers

_END, _FOLD = "\n", "\n "
_BETWEEN = re.compile(r"\n(?! )")
_name = itemgetter(0)


def to_lines(headers: Headers) -> bytes:
    """The field lines. Raises ValueError for a name that `misnamed` finds, and for a text that is no Unicode."""
    if (name := misnamed(headers)) is not None:
        msg = f"{name!r} is no name of a header"
        raise ValueError(msg)
    text = _END.join(map(":".join, headers))
    if text.count(_END) >= len(headers) > 0:
        text = _END.join([f"{name}:{value.replace(_END, _FOLD)}" for name, value in headers])
    return text.encode()


def from_lines(content: bytes) -> Headers:
    """The headers that such lines say."""
    fields = (line.partition(":") for line in _BETWEEN.split(content.decode()) if content)
    return [(name, value.replace(_FOLD, _END)) for name, _, value in fields]


def misnamed(headers: Headers) -> str | None:
    """The first name that no field line can say. None: all can be said, as a server's always can."""
    names = "".join(map(_name, headers))
    if ":" in names or " " in names or _END in names:
        return next(name for name, _ in headers if any(sign in name for sign in (":", " ", _END)))
    return None
