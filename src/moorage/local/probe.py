"""Asking a component whether it is well."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import httpx2

from moorage.local.pki import PkiFolder

_TIMEOUT_SECONDS = 5.0
_OK = 200


@dataclass(frozen=True, slots=True)
class Probe:
    """Where a component says how it is.

    Args:
        url: what to ask.
        authority: who signed its certificate; ``None`` for plain HTTP on loopback.
        client: the certificate to show, where one is wanted: folder and name.
    """

    url: str
    authority: Path | None = None
    client: tuple[PkiFolder, str] | None = None


async def ask(probe: Probe) -> str | None:
    """Ask once; return ``None`` when the component is well, and else what is wrong in a few words."""
    try:
        async with httpx2.AsyncClient(
            verify=_context(probe), timeout=_TIMEOUT_SECONDS, trust_env=False
        ) as client:
            response = await client.get(probe.url)
    except (OSError, httpx2.HTTPError) as error:
        return _what_is_wrong(error)
    if response.status_code == _OK:
        return None
    failed = [line.split()[0] for line in response.text.splitlines() if line.startswith("[-]")]
    return f"is not ready: {', '.join(failed)}" if failed else f"is not ready ({response.status_code})"


def _what_is_wrong(error: OSError | httpx2.HTTPError) -> str:
    match error:
        case FileNotFoundError():
            return "has no certificate yet"
        case httpx2.ConnectError() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return "does not answer: somebody else listens on its port"
        case httpx2.ConnectError():
            return "does not listen"
        case _:  # also a key that does not fit its certificate, while both are renewed
            return f"does not answer ({type(error).__name__})"


def _context(probe: Probe) -> ssl.SSLContext:
    if probe.authority is None:
        # Not used, and made without reading all the authorities that this machine trusts.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.create_default_context(cafile=str(probe.authority))
    if probe.client is not None:
        pki, name = probe.client
        context.load_cert_chain(str(pki.certificate(name)), str(pki.key(name)))
    return context
