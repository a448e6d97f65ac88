"""What the supervisor is told to keep alive."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SUPERVISED = "MOORAGE_SUPERVISED"
"""In the environment of every process of a platform: its root. It marks what is ours to kill."""

UNWRITABLE = ("\n", " ;", " #", "\t;", "\t#")
"""What no value in the supervisor's configuration can have in it: ends of lines, beginnings of comments."""

_NOT_SAFE = re.compile(r"[^\w@%+=:,./-]", re.ASCII)
_LOG_BYTES = 10 * 1024 * 1024
_LOG_BACKUPS = 2
# The supervisor counts failed starts and waits a second longer before each next one; it gives up after so
# many. A component that cannot start now (no etcd, a full disk) must start when the cause is mended.
_NEVER_GIVE_UP = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Program:
    """One process.

    Args:
        name: unique in the platform; its log is ``logs/NAME.log``.
        argv: the command, never seen by a shell. Secrets are not on it.
        environment: variables beside the supervisor's own.
        settle_seconds: a process that ends sooner has failed to start, and is started again after a pause.
        stop_seconds: how long it may take to end before it is killed.
        order: lower ones are started first when everything is started.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    settle_seconds: int = 2
    stop_seconds: int = 10
    order: int = 100


def supervisor_config(*, socket: Path, pid_file: Path, log: Path, programs: Path) -> str:
    """Write the supervisor's own configuration."""
    return f"""\
; Written by Moorage; do not edit.
[supervisord]
logfile = {_value(str(log))}
logfile_maxbytes = {_LOG_BYTES}
logfile_backups = {_LOG_BACKUPS}
pidfile = {_value(str(pid_file))}
childlogdir = {_value(str(log.parent))}
silent = true

[unix_http_server]
file = {_value(str(socket))}
chmod = 0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[include]
; Relative to this file: the supervisor takes a space for the end of a path here.
files = {programs.name}/*.ini
"""


def program_config(program: Program, log: Path) -> str:
    """Write one program's section."""
    environment = ",".join(
        f'{name}="{_quotable(value)}"' for name, value in sorted(program.environment.items())
    )
    return f"""\
; Written by Moorage; do not edit.
[program:{program.name}]
command = {_value(" ".join(map(_word, program.argv)))}
environment = {environment}
autostart = true
autorestart = true
startsecs = {program.settle_seconds}
startretries = {_NEVER_GIVE_UP}
stopwaitsecs = {program.stop_seconds}
umask = 077
stopasgroup = true
killasgroup = true
priority = {program.order}
redirect_stderr = true
stdout_logfile = {_value(str(log))}
stdout_logfile_maxbytes = {_LOG_BYTES}
stdout_logfile_backups = {_LOG_BACKUPS}
"""


def _word(argument: str) -> str:
    """Quote one argument, for `shlex.split`, without spaces that a comment sign could follow."""
    word = _NOT_SAFE.sub(r"\\\g<0>", argument)
    # Nothing in quotes shows an argument that is empty, and keeps a space at the end of the line.
    return word if word == word.strip() != "" else f"{word}''"


def _quotable(text: str) -> str:
    if '"' in text or text.startswith("'") or text.endswith("'"):
        raise _unwritable(text)
    return _value(text)


def _value(text: str) -> str:
    if text != text.strip() or any(sign in text for sign in UNWRITABLE):
        raise _unwritable(text)
    return text.replace("%", "%%")  # begins an expansion


def _unwritable(text: str) -> ValueError:
    return ValueError(f"{text!r} cannot be written into the supervisor's configuration")
