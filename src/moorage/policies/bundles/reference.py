"""Which bundle: ``registry.example.com/team/policies:1.4.0``, or ``...@sha256:...``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from moorage.policies.bundles.errors import BundleError
from moorage.toolchain.catalog import is_loopback

_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE: Final = re.compile(
    r"(?:oci://)?"
    r"(?P<host>[a-zA-Z0-9.-]+(?::\d{1,5})?|\[[0-9a-fA-F:]+\](?::\d{1,5})?)"
    rf"/(?P<repository>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)
_DOCKER_HUB: Final = {"docker.io", "index.docker.io", "registry-1.docker.io"}


@dataclass(frozen=True, slots=True)
class Reference:
    """A tag or a digest, or both, in a repository of a registry; the digest decides where both are said."""

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read a reference. It names a registry, and a tag or a digest: nothing is guessed.

        Raises:
            BundleError: it does not.
        """
        match = _REFERENCE.fullmatch(text)
        host = match["host"] if match else ""
        if match is None or not (set(".:[") & set(host) or host == "localhost"):
            raise BundleError(
                f"{text} is no reference to a bundle in a registry, and no file",
                hint="write registry.example.com/team/policies:1.4.0, or ...@sha256:...",
            )
        found = cls(host, match["repository"], match["tag"] or "", match["digest"] or "")
        if not found.tag and not found.digest:
            raise BundleError(
                f"{text} names neither a tag nor a digest", hint=f"write {text}:TAG or {text}@sha256:..."
            )
        return found

    @property
    def name(self) -> str:
        """The repository with its registry."""
        return f"{self.host}/{self.repository}"

    @property
    def selector(self) -> str:
        """What the registry is asked for."""
        return self.digest or self.tag

    @property
    def identity(self) -> str:
        """What a signature calls the repository; Docker Hub has one name of several there, as for cosign."""
        return f"index.docker.io/{self.repository}" if self.host in _DOCKER_HUB else self.name

    @property
    def account(self) -> str:
        """Under what Docker's configuration keeps the login for the registry."""
        return "https://index.docker.io/v1/" if self.host in _DOCKER_HUB else self.host

    @property
    def url(self) -> str:
        """Where its repository's API is. Plain HTTP is for this machine only, as it is for ``gator``."""
        host = "registry-1.docker.io" if self.host in _DOCKER_HUB else self.host
        scheme = "http" if is_loopback(urlsplit(f"//{host}").hostname or "") else "https"
        return f"{scheme}://{host}/v2/{self.repository}"

    def pinned(self, digest: str) -> Reference:
        """Return the same repository at a digest."""
        return replace(self, tag="", digest=digest)

    def tagged(self, tag: str) -> Reference:
        """Return the same repository at a tag."""
        return replace(self, tag=tag, digest="")

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}{f'@{self.digest}' if self.digest else ''}"
