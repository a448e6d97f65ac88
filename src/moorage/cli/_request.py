"""One request to an API server with the standard library, for the command that must start at once.

Everything else goes through `moorage.kube`; that takes longer to import than a token takes to get.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from urllib.parse import SplitResult, urlsplit

from moorage.errors import MoorageError

TIMEOUT_SECONDS = 10.0


class AnswerError(MoorageError):
    """The API server's answer is an error.

    Args:
        status: The HTTP status code.
        message: What it says.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ApiServer:
    """A connection to the API server of a kubeconfig's current context.

    Args:
        kubeconfig: Which.
        timeout_seconds: How long to wait for an answer.
        quiet: Whether a credential plugin may say nothing to the person.
    """

    def __init__(
        self, kubeconfig: Path, *, timeout_seconds: float = TIMEOUT_SECONDS, quiet: bool = False
    ) -> None:
        self._kubeconfig = kubeconfig
        try:
            cluster, user, self.namespace = _current(kubeconfig)
            address = _address(cluster["server"])
            context = _tls(kubeconfig.parent, cluster, user)
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise MoorageError(f"{kubeconfig} cannot be used: {error or 'it is incomplete'}") from error
        self._connection = HTTPSConnection(
            str(address.hostname), address.port or 443, timeout=timeout_seconds, context=context
        )
        self._prefix = address.path.rstrip("/")
        self._headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if token := _token(user, quiet=quiet):
            self._headers["Authorization"] = f"Bearer {token}"

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send one request and return the object that is answered.

        Raises:
            AnswerError: the answer is an error.
            MoorageError: there is no answer.
        """
        content = json.dumps(body) if body is not None else None
        try:
            self._connection.request(method, self._prefix + path, content, self._headers)
            response = self._connection.getresponse()
            status, text = response.status, response.read()
        except (OSError, HTTPException) as error:
            raise MoorageError(
                f"the management cluster of {self._kubeconfig} does not answer: {error}",
                hint="`moorage status` shows what runs, `moorage up` starts it",
            ) from error
        try:
            answer = json.loads(text)
        except ValueError:
            answer = {}
        if status >= 400 or not isinstance(answer, dict):  # noqa: PLR2004 - HTTP says what is an error
            message = answer.get("message") if isinstance(answer, dict) else None
            raise AnswerError(status, str(message or f"the API server answers {status}"))
        return answer

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def _current(kubeconfig: Path) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Return the server, the user and the namespace of the current context."""
    import yaml

    try:
        config = yaml.load(kubeconfig.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except yaml.YAMLError as error:
        raise ValueError("it is not YAML") from error
    context = _named(config, "contexts", config["current-context"])["context"]
    return (
        _named(config, "clusters", context["cluster"])["cluster"],
        _named(config, "users", context["user"])["user"],
        str(context.get("namespace") or ""),
    )


def _named(config: dict[str, Any], section: str, name: str) -> dict[str, Any]:
    for item in config.get(section) or ():
        if item["name"] == name:
            return dict(item)
    raise ValueError(f"{name!r} is not among its {section}")


def _address(server: str) -> SplitResult:
    address = urlsplit(server)
    if address.scheme != "https" or not address.hostname:
        raise ValueError(f"the server is {server!r}, not https://HOST:PORT")
    return address


def _tls(folder: Path, cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    authority = _content(folder, cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    certificate = _content(folder, user, "client-certificate")
    key = _content(folder, user, "client-key")
    if certificate and key:
        with ExitStack() as stack:
            # OpenSSL reads a chain from files only; these are the owner's alone, and gone at once.
            files = [stack.enter_context(NamedTemporaryFile()) for _ in range(2)]
            for file, text in zip(files, (certificate, key), strict=True):
                file.write(text)
                file.flush()
            context.load_cert_chain(files[0].name, files[1].name)
    return context


def _content(folder: Path, entry: dict[str, Any], field: str) -> bytes | None:
    if data := entry.get(f"{field}-data"):
        return base64.b64decode(data)
    if path := entry.get(field):
        return (folder / Path(path).expanduser()).read_bytes()
    return None


def _token(user: dict[str, Any], *, quiet: bool) -> str | None:
    if token := user.get("token"):
        return str(token)
    if path := user.get("tokenFile"):
        return Path(path).expanduser().read_text().strip()
    plugin = user.get("exec")
    return _from_plugin(plugin, quiet=quiet) if plugin else None


def _from_plugin(plugin: dict[str, Any], *, quiet: bool) -> str:
    """Run a credential plugin as kubectl does, and return its token."""
    depth = int(os.environ.get(_DEPTH) or 0)
    if depth >= _DEEPEST:
        raise MoorageError(
            "the kubeconfig's credential plugin asks itself for a token",
            hint="MOORAGE_KUBECONFIG must name the management cluster's kubeconfig",
        )
    argv = [plugin["command"], *(plugin.get("args") or ())]
    environment = {item["name"]: item["value"] for item in plugin.get("env") or ()}
    request = {"apiVersion": plugin["apiVersion"], "kind": "ExecCredential", "spec": {"interactive": False}}
    environment |= {"KUBERNETES_EXEC_INFO": json.dumps(request), _DEPTH: str(depth + 1)}
    try:
        output = subprocess.run(
            argv,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None,
            check=True,
            timeout=_PLUGIN_SECONDS,
        ).stdout
        return str(json.loads(output)["status"]["token"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        raise MoorageError(f"the kubeconfig's credential plugin {argv[0]} gives no token: {error}") from error


_PLUGIN_SECONDS = 60.0

# A member's token for a cluster is asked for with their token for the project, and that one with what an
# identity provider gives: three plugins call one another at most. More is a kubeconfig that names itself.
_DEPTH = "MOORAGE_TOKEN_DEPTH"
_DEEPEST = 3
