"""Starts kwok. This file is run as a script, by itself, and needs nothing but Python's own library.

kwok plays the kubelets of all nodes, and each start of it is somebody new: it would wait until the Leases of
the one before have run out, and for up to 50 s no node would have a heartbeat and no Pod would get on. A real
kubelet that is started again goes on with its Lease at once. So the Leases, which are nobody's by now, are
taken away first; kwok makes new ones when it has come up.
"""

from __future__ import annotations

import argparse
import http.client
import os
import ssl
import sys
import time
from urllib.parse import urlsplit

_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_PAUSE_SECONDS = 0.1
_TIMEOUT_SECONDS = 10.0
_OK = 200


def main(argv: list[str]) -> None:
    """Wait for the API server, take the Leases away, and become kwok."""
    parser = argparse.ArgumentParser()
    for name in ("server", "authority", "certificate", "key"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(argv)
    context = ssl.create_default_context(cafile=options.authority)
    context.load_cert_chain(options.certificate, options.key)
    while _ask(options.server, context, "GET", "/readyz") != _OK:
        time.sleep(_PAUSE_SECONDS)
    status = _ask(options.server, context, "DELETE", _LEASES)
    if status != _OK:
        print(f"the nodes' old Leases could not be taken away: {status}", file=sys.stderr, flush=True)
    os.execv(options.command[0], options.command)  # noqa: S606 - no shell is what is wanted


def _ask(server: str, context: ssl.SSLContext, method: str, path: str) -> int | str:
    address = urlsplit(server)
    connection = http.client.HTTPSConnection(
        address.hostname or "", address.port, timeout=_TIMEOUT_SECONDS, context=context
    )
    try:
        connection.request(method, path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return str(error)
    finally:
        connection.close()


if __name__ == "__main__":
    main(sys.argv[1:])
