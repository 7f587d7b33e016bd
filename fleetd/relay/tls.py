"""The TLS side of a connection to a broker: who may vouch for it, and who we are."""

from __future__ import annotations

import ssl

from fleetd.errors import ConfigError
from fleetd.relay.settings import RelaySettings


def tls_context(settings: RelaySettings) -> ssl.SSLContext:
    """Names and authorities are always checked. Blocks on files; raises ConfigError that names the bad one."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise ConfigError(f"ca_file {settings.ca_file}: {error.strerror or error}") from None
    if settings.cert_file is None:
        return context
    try:
        # The empty pass phrase keeps a protected key from asking for one on a terminal that nobody watches.
        context.load_cert_chain(settings.cert_file, settings.key_file, password="")
    except OSError as error:
        pair = f"cert_file {settings.cert_file} with key_file {settings.key_file}"
        raise ConfigError(f"{pair}: {error.strerror or error}") from None
    return context
