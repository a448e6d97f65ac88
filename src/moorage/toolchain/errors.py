"""What can go wrong with a tool, said for the person who must act."""

from __future__ import annotations

from moorage.errors import MoorageError


class ToolchainError(MoorageError):
    """Anything that the toolchain tells a person."""


class CatalogError(ToolchainError):
    """The catalog (or a lock file) cannot be read: a mistake in the file, not on the machine."""


class SettingsError(ToolchainError):
    """A ``MOORAGE_TOOLS...`` environment variable says something that cannot be."""


class UnknownToolError(ToolchainError):
    """A name that the catalog does not list."""


class ToolNotInstalledError(ToolchainError):
    """The tool is known but neither provided nor in the cache."""


class IntegrityError(ToolchainError):
    """Bytes are not what was promised: never used, and never papered over by another source."""


class DiskError(ToolchainError):
    """The disk is full, or a folder cannot be written: no other source would help."""


class ToolUnavailableError(ToolchainError):
    """Every source was tried; the message says what each one said."""


class SourceUnavailable(Exception):  # noqa: N818 - not an error for a person: the next source is tried
    """One source cannot provide a tool; internal, collected into `ToolUnavailableError`.

    Args:
        why: What is in the way.
        subject: What it is about, where it is not about the tool: a host, this machine's Go. Other tools meet
            the same, and nobody has to be told twice.
    """

    def __init__(self, why: str, *, subject: str | None = None) -> None:
        super().__init__(why)
        self.subject = subject


class NotPublished(SourceUnavailable):
    """The source never has the tool, or not for this platform: as the catalog says, and nobody's trouble."""
