"""Another version of the files: what git has of a commit, in a folder of its own for a while."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from moorage.manifests.model import InputError

SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class Before:
    """The version before, while the process is in it.

    Args:
        commit: which one.
        here: the folder that the process was in.
    """

    commit: str
    here: Path

    def there(self, paths: Sequence[str]) -> list[str]:
        """Return what there was of some paths, as seen from the version before."""
        relative = (os.path.relpath(self.here / path, self.here) for path in paths)
        return [path for path in relative if Path(path).exists()]


@contextmanager
def as_before(ref: str) -> Iterator[Before]:
    """Let the process see the files as a commit has them; it is in the same folder of the other version.

    The commit is the one in which this version and the other part: what others did since is not a change of
    this one. Where git does not know it (a clone without history), it is the other version itself.

    Raises:
        InputError: this is no git repository, or there is no such commit.
    """
    here = Path.cwd()
    top = _git("rev-parse", "--show-toplevel", needed=False)
    if not top:
        raise InputError(
            f"{here} is in no git repository",
            hint="--diff-base compares with what git has: run it in a clone",
        )
    root = Path(top)
    _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}", about=ref)
    commit = _git("merge-base", "--end-of-options", ref, "HEAD", needed=False) or _git(
        "rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}"
    )
    with tempfile.TemporaryDirectory(prefix="moorage-policy-") as folder:
        _extract(commit, root, Path(folder))
        inside = Path(folder) / "files" / here.resolve().relative_to(root.resolve())
        inside.mkdir(parents=True, exist_ok=True)  # a folder that is new has nothing in it there
        os.chdir(inside)
        try:
            yield Before(commit, here)
        finally:
            os.chdir(here)


def _extract(commit: str, root: Path, folder: Path) -> None:
    """Write the files of a commit, through an index of their own: the repository does not notice.

    (`git archive` would leave out what a repository keeps from its releases.)
    """
    files = folder / "files"
    files.mkdir()
    index = {"GIT_INDEX_FILE": str(folder / "index")}
    _git("-C", str(root), "read-tree", commit, environ=index)
    _git("-C", str(root), "checkout-index", "--all", f"--prefix={files}/", environ=index)


def _git(
    *arguments: str, needed: bool = True, about: str = "", environ: Mapping[str, str] | None = None
) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607 - git is a person's own
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env={**os.environ, **(environ or {})},
        )
    except FileNotFoundError:
        raise InputError("git is not here, and --diff-base asks it", hint="install git") from None
    if done.returncode == 0:
        return done.stdout.strip()
    if not needed:
        return ""
    if about:
        raise InputError(
            f"git knows no commit {about}", hint="fetch it first: a clone in CI often has one commit only"
        )
    said = done.stderr.strip().splitlines()
    raise InputError(f"git: {said[-1].removeprefix('fatal: ') if said else 'fails without a word'}")
