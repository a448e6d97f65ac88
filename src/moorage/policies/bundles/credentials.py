"""Logins for registries, as ``docker login`` (or podman, oras, cosign, helm) left them.

Read from ``$DOCKER_CONFIG/config.json``, else podman's ``$REGISTRY_AUTH_FILE`` or ``auth.json``, else
``~/.docker/config.json``. A credential helper that a file names is asked; it is the only program that is run.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from moorage.policies.bundles.errors import RegistryError
from moorage.policies.bundles.reference import Reference

_HELPER_SECONDS: Final = 30
_HELPER_NAME: Final = re.compile(r"[\w.-]+", re.ASCII)
_NOT_FOUND: Final = b"credentials not found in native keychain"
_TOKEN_USER: Final = "<token>"  # noqa: S105 - how helpers say that the secret is a token


@dataclass(frozen=True, slots=True)
class Login:
    """What a registry is shown. A refresh token, where there is one, goes before the password."""

    username: str = ""
    password: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.username or self.refresh_token)

    @property
    def basic(self) -> str:
        """The value of the header ``Authorization`` for a username and a password."""
        return f"Basic {base64.b64encode(f'{self.username}:{self.password}'.encode()).decode()}"


ANONYMOUS: Final = Login()


class Credentials:
    """The logins of whoever runs this process."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    async def login(self, reference: Reference) -> Login:
        """Return the login for a registry; `ANONYMOUS` where there is none.

        Raises:
            RegistryError: a file, or the helper that it names, cannot be used.
        """
        for file in self._files():
            content = _read(file)
            if content is None:
                continue
            found = _kept(content, reference, file)
            helper = _helper(content, reference)
            if helper and not found:
                found = await self._ask(helper, reference.account, file)
            if found:
                return found
        return ANONYMOUS

    def _files(self) -> list[Path]:
        environ = self._environ
        if folder := environ.get("DOCKER_CONFIG"):
            return [Path(folder) / "config.json"]
        if file := environ.get("REGISTRY_AUTH_FILE"):
            return [Path(file)]
        home = Path(environ.get("HOME") or "~").expanduser()
        runtime = environ.get("XDG_RUNTIME_DIR")
        podman = [Path(runtime) / "containers" / "auth.json"] if runtime else []
        return [*podman, home / ".docker" / "config.json"]

    async def _ask(self, helper: str, account: str, file: Path) -> Login:
        program = f"docker-credential-{helper}"
        if not _HELPER_NAME.fullmatch(helper):
            raise RegistryError(f"{file} names a credential helper {helper!r}, which is no name of a program")
        try:
            process = await asyncio.create_subprocess_exec(
                program,
                "get",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=dict(self._environ),
            )
        except OSError as error:
            raise RegistryError(
                f"{program}, which {file} names, does not run: {error.strerror or error}",
                hint="install it, or take it out of that file",
            ) from error
        try:
            async with asyncio.timeout(_HELPER_SECONDS):
                said, complaint = await process.communicate(account.encode())
        except TimeoutError as error:
            process.kill()
            await process.wait()
            raise RegistryError(f"{program} gives no answer in {_HELPER_SECONDS} s") from error
        if process.returncode:
            text = (said + complaint).strip()
            if text.startswith(_NOT_FOUND):
                return ANONYMOUS
            why = " ".join(text.decode(errors="replace").split())[:200]
            raise RegistryError(f"{program} fails for {account}: {why or f'exit code {process.returncode}'}")
        return _from_helper(said, program)


def _read(file: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise RegistryError(
            f"{file} cannot be read: {why}", hint="it is where `docker login` keeps logins"
        ) from error
    if not isinstance(content, dict):
        raise RegistryError(f"{file} is not a configuration of Docker", hint="it should be a JSON object")
    return content


def _helper(content: Mapping[str, Any], reference: Reference) -> str:
    special = _object(content.get("credHelpers")).get(reference.account)
    return str(special or content.get("credsStore") or "")


def _kept(content: Mapping[str, Any], reference: Reference, file: Path) -> Login:
    """Return the login that the file itself holds; podman keeps some by repository, and they go first."""
    auths = _object(content.get("auths"))
    parts = reference.name.split("/")
    wanted = ["/".join(parts[:end]) for end in range(len(parts), 0, -1)]
    for name in dict.fromkeys([*wanted, reference.account]):
        # Old ones are written as addresses.
        for key in (
            name,
            f"https://{name}",
            f"https://{name}/",
            f"https://{name}/v1/",
            f"https://{name}/v2/",
        ):
            if found := _login(_object(auths.get(key)), file):
                return found
    return ANONYMOUS


def _login(entry: Mapping[str, Any], file: Path) -> Login:
    user, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if auth := entry.get("auth"):
        try:
            user, _, password = (
                base64.b64decode(str(auth), validate=True).decode().rstrip("\0").partition(":")
            )
        except (binascii.Error, UnicodeDecodeError) as error:
            raise RegistryError(
                f"{file} has a login that cannot be read", hint="`docker login` again writes it anew"
            ) from error
    return Login(user, password, str(entry.get("identitytoken") or ""))


def _from_helper(said: bytes, program: str) -> Login:
    try:
        content = json.loads(said)
        user, secret = str(content["Username"]), str(content["Secret"])
    except (ValueError, KeyError, TypeError) as error:
        # What it said may be the secret: it is not repeated.
        raise RegistryError(f"{program} answers something that is not a login") from error
    return Login(refresh_token=secret) if user == _TOKEN_USER else Login(user, secret)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
