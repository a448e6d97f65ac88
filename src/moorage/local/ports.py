"""Free ports on loopback, chosen once and remembered."""

from __future__ import annotations

import json
import os
import random
import re
import socket
from collections.abc import Iterable
from contextlib import closing

from filelock import FileLock

from moorage.files import PRIVATE_FILE, replace_file
from moorage.local.errors import PlatformError
from moorage.local.home import Home

LOOPBACK = "127.0.0.1"

# Below the ranges from which Linux (32768-60999) and macOS (49152-65535) take the ports of outgoing
# connections: nobody gets one of ours by chance while a process of ours is down.
_RANGE = range(20000, 32000)
_LAST = 65535
_ATTEMPTS = 500

PORTS = "MOORAGE_PORTS"
"""Names the ports to choose from, as ``20000-25999``.

Of a platform that is down nobody can see which ports it has, and another may choose the same; not so if their
ranges do not meet."""


def port_is_free(port: int) -> bool:
    """Say whether a server could listen on a port of loopback now."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        # What a server of ours does: a connection that lingers in TIME_WAIT does not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


class Ports:
    """The ports of one platform, by the name of what listens there."""

    def __init__(self, home: Home) -> None:
        self._path = home.ports
        self._lock = FileLock(home.run / "ports.lock", timeout=30, mode=PRIVATE_FILE)

    def claim(self, names: Iterable[str]) -> dict[str, int]:
        """Return the ports of these names; those that have none get one each, all at once.

        Raises:
            PlatformError: no free port is left, or the range to choose from is none.
        """
        names = list(names)
        with self._lock:
            known = self._read()
            missing = [name for name in names if name not in known]
            if missing:
                taken = set(known.values())
                for name in missing:
                    port = _choose(taken)
                    taken.add(port)
                    known[name] = port
                self._write(known)
        return {name: known[name] for name in names}

    def known(self) -> dict[str, int]:
        """Return every port that is remembered."""
        return self._read()

    def release(self, prefix: str) -> None:
        """Forget the ports of a name and of all names below it (``prefix/...``)."""
        with self._lock:
            known = self._read()
            kept = {
                name: port
                for name, port in known.items()
                if name != prefix and not name.startswith(f"{prefix}/")
            }
            if kept != known:
                self._write(kept)

    def _read(self) -> dict[str, int]:
        try:
            content = json.loads(self._path.read_text())
            return {str(name): int(port) for name, port in content.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError) as error:
            raise PlatformError(
                f"{self._path} is damaged: {error}", hint="`moorage down --delete` and start afresh"
            ) from error

    def _write(self, ports: dict[str, int]) -> None:
        replace_file(self._path, json.dumps(ports, indent=1, sort_keys=True) + "\n")


def _choose(taken: set[int]) -> int:
    ports = _range()
    for _ in range(_ATTEMPTS):
        port = random.choice(ports)  # noqa: S311 - two platforms should not try the same ones in turn
        if port not in taken and port_is_free(port):
            return port
    raise PlatformError(
        "no free port was found on this machine", hint=f"close what listens on {ports.start}-{ports.stop - 1}"
    )


def _range() -> range:
    named = os.environ.get(PORTS)
    if not named:
        return _RANGE
    if match := re.fullmatch(r"(\d{1,5})-(\d{1,5})", named):
        first, last = map(int, match.groups())
        if 0 < first <= last <= _LAST:
            return range(first, last + 1)
    raise PlatformError(f"{PORTS}={named} is no range of ports", hint=f"write it as {PORTS}=20000-25999")
