"""MentraOS Cloud, the product's name since 2025. Its documentation says App and has `mentraOSWebsocketUrl`."""

from typing import ClassVar

from adapters.providers.glasses import Glasses


class Mentraos(Glasses):
    """Webhooks to an App server."""

    __slots__ = ()
    name: ClassVar[str] = "mentraos"
