"""Bringing the platform back when its supervisor was killed.

A supervisor looks after everything but itself. The operator, which it started, notices that it was orphaned
and starts this module as a process of its own: it does what `moorage up` does, unless the platform was
stopped on purpose meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path

from moorage.errors import ExitCode, MoorageError
from moorage.local import platform
from moorage.local.home import Home
from moorage.local.programs import SUPERVISED
from moorage.local.supervisor import Supervisor, in_thread

logger = logging.getLogger(__name__)

_INTERVAL_SECONDS = 1.0


async def watch_supervisor(home: Home) -> None:
    """Wait until the process that started this one is gone, and have the platform brought back.

    What is started ends this process, too, as one that no supervisor looks after.
    """
    # Not the parent that this process has now: that may be somebody who took it in.
    supervisor = await in_thread(lambda: Supervisor(home).pid)
    while os.getppid() == supervisor:  # noqa: ASYNC110 - the kernel tells nobody
        await asyncio.sleep(_INTERVAL_SECONDS)
    logger.warning("the supervisor is gone; the platform is started again")
    environment = {name: value for name, value in os.environ.items() if name != SUPERVISED}
    with home.log("recovery").open("ab") as output:
        subprocess.Popen(  # noqa: ASYNC220 - it is not waited for
            [sys.executable, "-m", "moorage.local.recover", str(home.root)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd="/",
            start_new_session=True,
        )


def main(arguments: list[str] | None = None) -> int:
    """Start the platform again, if it is wanted; return the exit status."""
    [root] = sys.argv[1:] if arguments is None else arguments
    try:
        started = asyncio.run(platform.recover(Home(Path(root))))
    except MoorageError as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.FAILURE
    print("the platform is back" if started else "the platform is not wanted", file=sys.stderr)
    return ExitCode.OK


if __name__ == "__main__":
    raise SystemExit(main())
