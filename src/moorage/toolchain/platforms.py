"""Which operating system and processor a binary is for, in Go's (and everybody's release) words."""

from __future__ import annotations

import platform as host
from dataclasses import dataclass

from moorage.toolchain.errors import ToolchainError

_SYSTEMS = {"linux": "linux", "darwin": "darwin"}
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True, order=True)
class Platform:
    """A pair such as ``linux/amd64``."""

    os: str
    arch: str

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read ``os/arch``; only what Moorage runs on is accepted."""
        os, _, arch = text.partition("/")
        if os not in _SYSTEMS.values() or arch not in _MACHINES.values():
            msg = f"{text!r} is not a platform that Moorage runs on (linux or darwin, amd64 or arm64)"
            raise ValueError(msg)
        return cls(os, arch)

    @classmethod
    def current(cls) -> Platform:
        """Return the platform of this machine."""
        return detect(host.system(), host.machine())

    @property
    def slug(self) -> str:
        """The form for file names."""
        return f"{self.os}-{self.arch}"

    def __str__(self) -> str:
        return f"{self.os}/{self.arch}"


def detect(system: str, machine: str) -> Platform:
    """Translate what the kernel calls itself into a platform.

    Raises:
        ToolchainError: Moorage does not run on such a machine.
    """
    try:
        return Platform(_SYSTEMS[system.lower()], _MACHINES[machine.lower()])
    except KeyError:
        raise ToolchainError(
            f"{system} on {machine} is not a platform that Moorage has tools for",
            hint="use Linux or macOS on x86-64 or arm64",
        ) from None
