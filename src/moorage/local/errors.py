"""What can go wrong with the embedded platform, said for the person who must act."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from moorage.errors import MoorageError

NO_SPACE_HINT = "free some, or set MOORAGE_HOME to a folder on another disk"


class PlatformError(MoorageError):
    """The embedded platform cannot do what was asked of it."""


class NotRunningError(PlatformError):
    """The platform is not up."""

    def __init__(self, root: Path) -> None:
        super().__init__(f"the platform in {root} is not running", hint="start it with `moorage up`")


class PortTakenError(PlatformError):
    """A port that the platform remembers is used by somebody else."""


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Say for a person what a full or forbidding disk means.

    Raises:
        PlatformError: in place of the `OSError`.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise PlatformError(
                f"no space is left for {folder}",
                hint=NO_SPACE_HINT,
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR):
            raise PlatformError(
                f"{error.filename or folder} cannot be written: {error.strerror}",
                hint="set MOORAGE_HOME to a folder of yours",
            ) from error
        raise
