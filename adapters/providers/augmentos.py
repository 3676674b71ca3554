"""AugmentOS Cloud, the product's first name. Its documentation calls an app TPA and has `augmentOSWebsocketUrl`."""

from typing import ClassVar

from adapters.providers.glasses import Glasses


class Augmentos(Glasses):
    """Webhooks to a TPA server."""

    __slots__ = ()
    name: ClassVar[str] = "augmentos"
