"""The providers by name. A new one needs a file, an entry here and a test file."""

from adapters.providers.amps import Amps
from adapters.providers.augmentos import Augmentos
from adapters.providers.mentraos import Mentraos
from adapters.providers.port import Provider, Sender
from adapters.providers.wms import Wms

PROVIDERS: dict[str, type[Provider]] = {kind.name: kind for kind in (Augmentos, Mentraos, Amps, Wms)}
"""By their names in the configuration."""


def build(source: Sender) -> Provider:
    """Builds the provider of a configured source. Raises KeyError for an unknown one, ValueError for an unusable
    secret.
    """
    return PROVIDERS[source.provider].built_from(source)
