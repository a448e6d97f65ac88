"""What a person is told while tools are fetched: the words between the toolchain and whoever shows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Unit(StrEnum):
    """What a step counts."""

    BYTES = "bytes"
    MODULES = "modules"
    PACKAGES = "packages"


class Progress(Protocol):
    """Is told what happens to each tool. Calls come from one thread, and of many tools in turn."""

    def started(self, tool: str, step: str, unit: Unit) -> None:
        """A step begins, such as ``download from dl.k8s.io``; it ends the tool's step before."""

    def advanced(self, tool: str, done: int, total: int | None) -> None:
        """The tool's step is this far; `total` is None while nobody knows."""

    def note(self, tool: str, text: str) -> None:
        """Something worth a line that does not count, such as why a source was passed over."""

    def announce(self, text: str) -> None:
        """Something worth a line that is about no single tool, such as a host that cannot be reached."""

    def finished(self, tool: str, outcome: str) -> None:
        """The tool is there; the last call for it. A tool that cannot be had is an error instead."""


class Silent:
    """Says nothing."""

    def started(self, tool: str, step: str, unit: Unit) -> None:
        """Say nothing."""

    def advanced(self, tool: str, done: int, total: int | None) -> None:
        """Say nothing."""

    def note(self, tool: str, text: str) -> None:
        """Say nothing."""

    def announce(self, text: str) -> None:
        """Say nothing."""

    def finished(self, tool: str, outcome: str) -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """A `Progress` that knows which tool it speaks of; what a source is given."""

    tool: str
    progress: Progress = field(default_factory=Silent)

    def started(self, step: str, unit: Unit = Unit.BYTES) -> None:
        """Begin a step."""
        self.progress.started(self.tool, step, unit)

    def advanced(self, done: int, total: int | None) -> None:
        """Say how far the step is."""
        self.progress.advanced(self.tool, done, total)

    def note(self, text: str) -> None:
        """Say something that does not count."""
        self.progress.note(self.tool, text)

    def finished(self, outcome: str) -> None:
        """Say that the tool is there."""
        self.progress.finished(self.tool, outcome)
