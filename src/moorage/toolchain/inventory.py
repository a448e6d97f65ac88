"""What is on this machine: the tools in the user's folder and in the cache. Nothing here fetches anything."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from moorage.toolchain.catalog import Catalog, Tool, default_catalog
from moorage.toolchain.errors import ToolchainError, ToolNotInstalledError
from moorage.toolchain.lock import Artifact, Locks
from moorage.toolchain.platforms import Platform
from moorage.toolchain.settings import Settings, Source
from moorage.toolchain.store import Record, Slot

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Status:
    """Where a tool is."""

    tool: Tool
    place: Source | None = None
    """The user's folder or the cache; None when it is in neither."""
    path: Path | None = None
    record: Record | None = None
    """What is known of one in the cache."""


@dataclass(frozen=True)
class Toolchain:
    """The tools of a catalog, on this machine, under these settings."""

    catalog: Catalog
    settings: Settings
    platform: Platform

    @classmethod
    def from_environment(cls) -> Toolchain:
        """Return the toolchain that this process's environment describes."""
        return cls(default_catalog(), Settings.from_environment(), Platform.current())

    @cached_property
    def locks(self) -> Locks:
        """The digests that must not change."""
        return Locks(self.settings.user_lock)

    def slot(self, tool: Tool) -> Slot:
        """Return a tool's place in the cache."""
        recipe = self.catalog.recipe(tool)
        return Slot(self.settings.tools_dir, tool.name, tool.version, self.platform, recipe)

    def provided(self, tool: Tool) -> Path | None:
        """Return the executable in the folder that the user named.

        Raises:
            ToolchainError: there is such a file, and it cannot be run.
        """
        if self.settings.folder is None:
            return None
        path = self.settings.folder / tool.name
        if not path.is_file():
            return None
        if not os.access(path, os.X_OK):
            raise ToolchainError(f"{path} is not executable", hint=f"chmod +x {path}")
        return path

    def find(self, tool: Tool) -> Path | None:
        """Return a tool's executable, from the folder or the cache, if it is there."""
        return self.provided(tool) or self.slot(tool).find()

    def status(self, tool: Tool) -> Status:
        """Say where a tool is, and where it came from."""
        if (path := self.provided(tool)) is not None:
            return Status(tool, Source.FOLDER, path)
        slot = self.slot(tool)
        if (path := slot.find()) is None:
            return Status(tool)
        return Status(tool, Source.CACHE, path, slot.record())

    def problem(self, tool: Tool) -> str | None:
        """Say what is wrong with a tool in the cache, reading all of it again; None when nothing is.

        A tool from the user's folder is the user's to check.
        """
        slot = self.slot(tool)
        if slot.find() is None:
            return None
        if (problem := slot.problem()) is not None:
            return problem
        record = slot.record()
        if record is None or record.artifact is None:
            return None
        artifact = Artifact(tool.name, tool.version, record.platform, record.source)
        for pin in self.locks.pins(artifact):
            if pin.digest != record.artifact:
                return f"it was made from {record.artifact}, but {pin.path} says {pin.digest}"
        return None

    def locate(self, name: str) -> Path:
        """Return a tool's executable without getting it.

        Raises:
            UnknownToolError: there is no such tool.
            ToolNotInstalledError: it is not there.
        """
        tool = self.catalog.tool(name)
        path = self.find(tool)
        if path is None:
            folder = f" and not in {self.settings.folder}" if self.settings.folder else ""
            raise ToolNotInstalledError(
                f"{tool} is not installed{folder}", hint=f"moorage tools install {name}"
            )
        return path
