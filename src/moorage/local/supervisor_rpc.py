"""Speaking to a supervisor (supervisord): XML-RPC over a Unix socket that only its owner may open."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from supervisor.xmlrpc import Faults, SupervisorTransport

from moorage.local.errors import NotRunningError, PlatformError
from moorage.local.home import Home

__all__ = ["Faults", "call", "forget", "ignoring"]

Answer = TypeVar("Answer")


def call(home: Home, ask: Callable[[Any], Answer], *, answer_seconds: float) -> Answer:
    """Ask the supervisor of a platform something, over one connection.

    Args:
        home: the platform's.
        ask: is given the supervisor's methods, as `xmlrpc.client.ServerProxy` has them.
        answer_seconds: after which it counts as hanging.

    Raises:
        NotRunningError: there is no supervisor.
        PlatformError: it hangs, or refuses.
    """
    transport = _Transport(home.socket, answer_seconds)
    try:
        return ask(xmlrpc.client.ServerProxy("http://localhost", transport=transport))
    except (ConnectionError, FileNotFoundError, http.client.HTTPException) as error:
        raise NotRunningError(home.root) from error
    except (TimeoutError, BlockingIOError) as error:  # the latter: too many wait for it already
        raise PlatformError(
            f"the supervisor of {home.root} does not answer", hint="`moorage down` ends it"
        ) from error
    except xmlrpc.client.Error as error:
        said = error.faultString if isinstance(error, xmlrpc.client.Fault) else str(error)
        raise PlatformError(
            f"the supervisor refuses: {said}", hint=f"its log is {home.log('supervisor')}"
        ) from error
    finally:
        transport.close()


def ignoring(fault: int, work: Callable[[], Any]) -> Any:
    """Call a method, and take one fault for the answer "it is so already"."""
    try:
        return work()
    except xmlrpc.client.Fault as error:
        if error.faultCode != fault:
            raise
        return True


def forget(rpc: Any, name: str) -> bool:
    """Take a program out of the supervisor; say whether it is out: it is not while it runs."""
    try:
        rpc.supervisor.removeProcessGroup(name)
    except xmlrpc.client.Fault as error:
        if error.faultCode == Faults.STILL_RUNNING:
            return False
        raise
    return True


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _Transport(SupervisorTransport):  # type: ignore[misc]  # the package has no types
    """Supervisor's transport, that gives up on one that hangs."""

    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__(serverurl=f"unix://{path}")
        self._get_connection = lambda: _UnixConnection(path, timeout_seconds)
