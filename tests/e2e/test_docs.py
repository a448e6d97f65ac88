"""The pages that show commands: every command is run, as it stands there, on a machine that has nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from moorage.toolchain import locate

DOCS = Path(__file__).parents[2] / "docs"
SECONDS = 580

_BLOCK = re.compile(r"(?P<before><!-- not run:[^>]*-->\n)?```sh\n(?P<code>.*?)```", re.DOTALL)


def commands(page: str) -> str:
    """Return the shell code of a page."""
    text = (DOCS / page).read_text()
    return "".join(block["code"] for block in _BLOCK.finditer(text) if not block["before"])


@pytest.fixture
def person(new_folder: Callable[[], Path]) -> Iterator[Path]:
    """The home of a person who has nothing yet. Its path is short: sockets will be in it."""
    home = new_folder()
    yield home
    for root in (home / "platform", home / "moorage" / "blue", home / "moorage" / "green"):
        if root.exists():  # the page did not get to its end
            subprocess.run(
                [sys.executable, "-m", "moorage", "down", "--delete", "--yes"],
                env={**os.environ, "MOORAGE_HOME": str(root)},
                timeout=SECONDS,
                check=False,
            )
    shutil.rmtree(home)


@pytest.mark.parametrize(
    ("page", "before", "after"),
    [
        # After `make demo`, as the README has it, there is another project.
        ("tutorial/first-cluster.md", "moorage up && moorage project create demo", ""),
        (
            "how-to/access-for-members.md",
            "moorage up && moorage project create demo",
            "moorage down --delete --yes",
        ),
        ("how-to/several-platforms.md", "", ""),
    ],
)
@pytest.mark.timeout(2 * SECONDS)
def test_a_page_does_what_it_says(person: Path, page: str, before: str, after: str) -> None:
    programs, work = person / "bin", person / "work"
    programs.mkdir()
    work.mkdir()
    wrapper = programs / "moorage"
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m moorage "$@"\n')
    wrapper.chmod(0o755)
    (programs / "kubectl").symlink_to(locate("kubectl"))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MOORAGE_")}
    tools = {name: os.environ[name] for name in ("MOORAGE_TOOLS", "MOORAGE_PORTS") if name in os.environ}
    own = {
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
        "HOME": str(person),
        "MOORAGE_HOME": str(person / "platform"),
        "KUBECONFIG": str(person / "kubeconfig"),
        "PATH": f"{programs}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-c", "\n".join(("set -euo pipefail", before, "set -x", commands(page), "set +x", after))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=work,
        env={**inherited, **tools, **own},
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    left = [root for root in (person / "platform", person / "moorage" / "blue") if root.exists()]
    assert not left, "a page takes away what it started"


def test_the_pages_have_commands():
    assert "moorage cluster create web -p shop --kubernetes-version 1.36 --nodes 3" in commands(
        "tutorial/first-cluster.md"
    )
    assert "make setup" not in commands("tutorial/first-cluster.md")
