"""Both databases that evidence can be in: SQLite, and a real PostgreSQL where the machine has one."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

START_SECONDS = 60


def programs() -> Path | None:
    """Where PostgreSQL's programs are; distributions keep the server's outside of the PATH."""
    found = [Path(path).parent for name in ("initdb", "postgres") if (path := shutil.which(name))]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found += [path.resolve() for path in found]
    return next((path for path in found if (path / "initdb").exists() and (path / "pg_ctl").exists()), None)


def as_nobody() -> dict[str, object]:
    """PostgreSQL refuses to run as root; then it runs as somebody who has nothing."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL that is the session's own, on a socket that nobody else has."""
    binaries = programs()
    if binaries is None:
        pytest.skip("there is no PostgreSQL on this machine (initdb and pg_ctl are looked for)")
    user = as_nobody()
    with tempfile.TemporaryDirectory(prefix="moorage-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if user:
            os.chown(folder, int(str(user["user"])), int(str(user["group"])))
        run = {"cwd": folder, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C"}, **user}
        subprocess.run(
            [binaries / "initdb", "-D", "data", "-U", "moorage", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            capture_output=True,
            timeout=START_SECONDS,
            **run,
        )
        options = f"-k {folder} -h '' -c fsync=off -c shared_buffers=16MB"
        control = [binaries / "pg_ctl", "-D", "data", "-w"]
        subprocess.run(
            [*control, "-l", "log", "-o", options, "start"],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=START_SECONDS,
            **run,
        )
        try:
            yield f"postgresql://moorage@/postgres?host={folder}"
        finally:
            subprocess.run(
                [*control, "-m", "immediate", "stop"],
                check=False,
                capture_output=True,
                timeout=START_SECONDS,
                **run,
            )


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of the test's own, of either kind, with nothing in it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/evidence/advice.sqlite3"
    server: str = request.getfixturevalue("postgresql")
    import psycopg

    name = f"t{abs(hash(request.node.nodeid)):x}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        connection.execute(f"CREATE DATABASE {name}")
    return server.replace("/postgres?", f"/{name}?")
