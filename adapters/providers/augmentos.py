"""AugmentOS Cloud: the product's first name. Its documents say TPA for an app and `augmentOSWebsocketUrl`."""

from typing import ClassVar

from adapters.providers.glasses import Glasses


class Augmentos(Glasses):
    """Webhooks to a TPA server."""

    __slots__ = ()
    name: ClassVar[str] = "augmentos"
