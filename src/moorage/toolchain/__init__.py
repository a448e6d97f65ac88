"""The upstream binaries that Moorage runs: which, and where from.

The rest of Moorage uses `ensure` (get what is missing) and `locate` (it is there already). Importing this is
cheap; what talks to networks is imported when something must be fetched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from moorage.toolchain.inventory import Toolchain
from moorage.toolchain.progress import Progress, Silent, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Progress", "Silent", "Toolchain", "Unit", "ensure", "locate"]


async def ensure(names: Iterable[str], *, progress: Progress | None = None) -> dict[str, Path]:
    """Return the absolute paths of tools' executables by name, getting those that are missing.

    Downloads run side by side, Go builds one after the other; two processes that ask at once do it once.

    Raises:
        ToolchainError: one error for all of them: an unknown name, no source, a wrong digest, a full disk.
    """
    from moorage.toolchain.installer import Installer

    return await Installer(Toolchain.from_environment()).ensure(names, progress=progress)


def locate(name: str) -> Path:
    """Return the absolute path of a tool's executable, which is there already.

    Raises:
        UnknownToolError: there is no such tool.
        ToolNotInstalledError: it has to be installed first.
    """
    return Toolchain.from_environment().locate(name)
