"""The one thing that is asked of etcd directly: to forget a cluster that was deleted."""

from __future__ import annotations

import ssl
from base64 import b64encode

import httpx2

from moorage.local.controlplane import EtcdClient

_TIMEOUT_SECONDS = 30.0
_AFTER_SLASH = chr(ord("/") + 1)


def range_below(prefix: str) -> tuple[bytes, bytes]:
    """Return the first key below a prefix, and the first that no longer is.

    Raises:
        ValueError: the prefix is empty: that would be everything.
    """
    prefix = prefix.rstrip("/")
    if not prefix:
        msg = "the prefix is empty"
        raise ValueError(msg)
    return f"{prefix}/".encode(), f"{prefix}{_AFTER_SLASH}".encode()


async def delete_prefix(client: EtcdClient, prefix: str) -> int:
    """Delete every key below a prefix (through etcd's JSON gateway), and return how many there were.

    Raises:
        httpx2.HTTPError: etcd does not answer, or refuses.
    """
    start, end = range_below(prefix)
    context = ssl.create_default_context(cafile=str(client.pki.certificate("ca")))
    context.load_cert_chain(str(client.pki.certificate(client.user)), str(client.pki.key(client.user)))
    async with httpx2.AsyncClient(verify=context, timeout=_TIMEOUT_SECONDS, trust_env=False) as http:
        response = await http.post(
            f"{client.endpoint}/v3/kv/deleterange",
            json={"key": b64encode(start).decode(), "range_end": b64encode(end).decode()},
        )
        response.raise_for_status()
    return int(response.json().get("deleted", 0))
