"""Where a bundle is from: what git and whoever builds it say, and nothing of the machine or the moment."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from moorage.policies.bundles.artifact import TITLE, VERSION
from moorage.policies.bundles.errors import BundleError

CREATED: Final = "org.opencontainers.image.created"
REVISION: Final = "org.opencontainers.image.revision"
SOURCE: Final = "org.opencontainers.image.source"
_GIT_SECONDS: Final = 20
_SCP: Final = re.compile(r"(?:[\w.-]+@)?(?P<host>[\w.-]+):(?P<path>[^/].*)")


@dataclass(frozen=True, slots=True)
class Commit:
    """The commit that a folder is at."""

    revision: str
    time_seconds: int
    source: str = ""
    """The address of the repository, the same for those who cloned by HTTPS and by SSH."""
    clean: bool = True
    """Whether the folder is as the commit has it."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a bundle says of itself; empty where it is not known."""

    title: str = ""
    version: str = ""
    revision: str = ""
    source: str = ""
    created: str = ""

    @property
    def annotations(self) -> dict[str, str]:
        """As annotations of OCI."""
        said = {
            CREATED: self.created,
            REVISION: self.revision,
            SOURCE: self.source,
            TITLE: self.title,
            VERSION: self.version,
        }
        return {name: value for name, value in said.items() if value}


def decide(
    commit: Commit | None,
    environ: Mapping[str, str] = os.environ,
    *,
    title: str = "",
    version: str = "",
    source: str = "",
    revision: str = "",
) -> Provenance:
    """Decide what a bundle says of itself; what is given goes before what git says.

    A folder that is not as its commit has it says nothing of that commit.

    Raises:
        BundleError: ``SOURCE_DATE_EPOCH`` is not a time.
    """
    known = commit if commit and commit.clean else None
    epoch = environ.get("SOURCE_DATE_EPOCH", "").strip()
    if epoch and not (epoch.isascii() and epoch.isdigit() and len(epoch) <= 11):  # noqa: PLR2004 - year 5138
        raise BundleError(
            f"SOURCE_DATE_EPOCH is {epoch!r}, which is not a time",
            hint="give seconds since 1970, or unset it",
        )
    seconds = int(epoch) if epoch else known.time_seconds if known else None
    return Provenance(
        title=title,
        version=version,
        revision=revision or (known.revision if known else ""),
        source=source or (known.source if known else ""),
        created=""
        if seconds is None
        else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def read_commit(folder: Path) -> Commit | None:
    """Return the commit that a folder is at; nothing where it is in no repository, or git is not here.

    It is the commit that is checked out, not the last that touched the folder: a shallow clone, as CI makes
    them, cannot tell the latter.
    """
    head = _git(folder, "log", "-1", "--format=%H %ct")
    changed = _git(folder, "diff", "--name-only", "HEAD", "--", ".")
    # Ignored files too: what is in the bundle and not in the commit is not told by the commit.
    added = _git(folder, "ls-files", "--others", "--", "*.yaml")
    if not head or changed is None or added is None:
        return None
    revision, _, time = head.partition(" ")
    origin = _git(folder, "config", "--get", "remote.origin.url") or ""
    return Commit(revision, int(time), public_address(origin), clean=not changed and not added)


def public_address(remote: str) -> str:
    """Return the address of a remote as HTTPS, without a login; nothing where it is a folder here."""
    if "://" not in remote:
        match = _SCP.fullmatch(remote)
        return f"https://{match['host']}/{match['path'].removesuffix('.git')}" if match else ""
    parts = urlsplit(remote)
    if parts.scheme not in {"https", "http", "ssh", "git"} or not parts.hostname:
        return ""
    port = f":{parts.port}" if parts.port and parts.scheme in {"https", "http"} else ""
    return f"https://{parts.hostname}{port}{parts.path.rstrip('/').removesuffix('.git')}"


def _git(folder: Path, *arguments: str) -> str | None:
    # Settings of whoever calls (GIT_DIR in a hook) would ask another repository.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the one that the person uses
            capture_output=True,
            text=True,
            check=False,
            timeout=_GIT_SECONDS,
            env={**environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
