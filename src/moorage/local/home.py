"""Where the embedded platform keeps its state: ``MOORAGE_HOME``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from moorage.files import private_folder
from moorage.local.errors import PlatformError, explained
from moorage.local.programs import UNWRITABLE

# What a Unix socket's path may have, on macOS (104; Linux has 108), less the final NUL. The supervisor makes
# its socket under a longer name first: it adds a full stop and its process id.
_MAX_SOCKET_PATH = 103 - len(".4194304")
# Wildcards and expansions to the supervisor, quotes, and what cannot be written into its configuration.
_UNUSABLE = (*UNWRITABLE, *'[]*?"%')


@dataclass(frozen=True, slots=True)
class Home:
    """The folders and files of one platform; several live side by side under several roots."""

    root: Path

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Home:
        """Return the home that ``MOORAGE_HOME`` names, or the user's state folder."""
        named = environ.get("MOORAGE_HOME")
        if named:
            # Resolved: its processes are known by its name, so it must have one only.
            return cls(Path(named).expanduser().resolve())
        from platformdirs import user_state_path

        return cls(user_state_path("moorage") / "platform")

    def create(self) -> Home:
        """Make the folders, for the owner's eyes only.

        Raises:
            PlatformError: the disk is full or forbids it, the path is too long for a socket, or the folder is
                somebody's who keeps other things in it.
        """
        if len(os.fsencode(self.socket)) > _MAX_SOCKET_PATH:
            raise PlatformError(
                f"{self.root} is too long a path: a socket in it could not be addressed",
                hint="set MOORAGE_HOME to a shorter path",
            )
        if any(sign in str(self.root) for sign in _UNUSABLE):
            raise PlatformError(
                f"{str(self.root)!r} has characters in it that the supervisor cannot be told",
                hint="set MOORAGE_HOME to a plainer path",
            )
        with explained(self.root):
            if not self.marker.exists() and self.root.is_dir() and any(self.root.iterdir()):
                raise PlatformError(
                    f"{self.root} has other things in it than a platform",
                    hint="set MOORAGE_HOME to a folder that is empty or not there yet",
                )
            private_folder(self.root)
            self.marker.touch(mode=0o600)
            for folder in (self.run, self.logs, self.programs, self.clusters, self.pki):
                private_folder(folder)
            self.root.chmod(0o700)
        return self

    @property
    def marker(self) -> Path:
        """There in every home: what else is in the folder may be removed with the platform."""
        return self.root / ".moorage"

    @property
    def run(self) -> Path:
        """Sockets and process ids."""
        return self.root / "run"

    @property
    def socket(self) -> Path:
        """Where the supervisor listens."""
        return self.run / "supervisor.sock"

    @property
    def supervisor_pid(self) -> Path:
        """The supervisor's process id."""
        return self.run / "supervisor.pid"

    @property
    def supervisor_config(self) -> Path:
        """What the supervisor is started with."""
        return self.root / "supervisor.conf"

    @property
    def lock(self) -> Path:
        """Held while the platform is started or stopped."""
        return self.run / "platform.lock"

    @property
    def wanted(self) -> Path:
        """There while the platform is to run: from the beginning of ``up`` to that of ``down``."""
        return self.run / "wanted"

    @property
    def logs(self) -> Path:
        """One log a component."""
        return self.root / "logs"

    @property
    def programs(self) -> Path:
        """What the supervisor keeps alive, one file a program."""
        return self.root / "programs"

    @property
    def pki(self) -> Path:
        """Certificate authorities, certificates and keys of the management plane."""
        return self.root / "pki"

    @property
    def etcd_data(self) -> Path:
        """What all API servers of the platform store."""
        return self.root / "etcd"

    @property
    def clusters(self) -> Path:
        """One folder a user cluster."""
        return self.root / "clusters"

    @property
    def ports(self) -> Path:
        """Which port belongs to what."""
        return self.root / "ports.json"

    @property
    def management(self) -> Path:
        """The management plane's own files."""
        return self.root / "management"

    @property
    def admin_kubeconfig(self) -> Path:
        """The platform team's access to the management cluster."""
        return self.root / "admin.kubeconfig"

    @property
    def evidence(self) -> Path:
        """What advisors count and keep."""
        return self.root / "evidence"

    @property
    def evidence_database(self) -> Path:
        """The database of the advisors."""
        return self.evidence / "evidence.db"

    @property
    def spool(self) -> Path:
        """Audit events of user clusters that are not counted yet."""
        return self.evidence / "spool"

    @property
    def metrics(self) -> Path:
        """The metrics of user clusters."""
        return self.root / "metrics"

    def log(self, component: str) -> Path:
        """Where a component's output goes."""
        return self.logs / f"{component}.log"
