"""Getting the programs that a command needs, when it is the first to need them."""

from __future__ import annotations

from collections.abc import Iterable

from moorage.toolchain import Toolchain


def missing(names: Iterable[str]) -> list[str]:
    """Return those of some tools that are not there."""
    toolchain = Toolchain.from_environment()
    return [name for name in names if toolchain.find(toolchain.catalog.tool(name)) is None]


def get_missing(names: Iterable[str]) -> None:
    """Get those of some tools that are not there, and show how far that is.

    Raises:
        ToolchainError: one of them cannot be had.
    """
    wanted = missing(names)
    if not wanted:
        return
    from moorage.cli._run import run
    from moorage.cli._tool_progress import shown
    from moorage.toolchain import ensure

    with shown() as progress:
        run(ensure(wanted, progress=progress))
