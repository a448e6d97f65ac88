"""Hold the locked packages to what pyproject.toml asks for, without a package index.

For every file in requirements/: each package that is asked for is pinned at a version that serves, nothing is
pinned as asked for that no longer is, every pin has its hashes, what is tested is what is run, and nothing
says where packages come from: that is the business of whoever installs them.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Which dependency groups each file locks; None is the project's own dependencies.
LOCKS: Mapping[str, Sequence[str | None]] = {
    "runtime.txt": [None],
    "dev.txt": [None, "dev"],
    "docs.txt": ["docs"],
}
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)")
_ASKED_FOR_BY_THE_PROJECT = re.compile(r"#\s+(?:via )?moorage \(pyproject\.toml")


@dataclass(frozen=True, slots=True)
class Pin:
    """One package of a lock file."""

    name: str
    version: str
    hashed: bool
    direct: bool


def parse_lock(text: str) -> tuple[list[Pin], list[str]]:
    """Split a lock file into its pins and the lines that are no pins, hashes or comments."""
    blocks: list[tuple[re.Match[str], list[str]]] = []
    strays: list[str] = []
    for line in text.splitlines():
        if match := _PIN.match(line):
            blocks.append((match, [line]))
        elif blocks and line.startswith("    "):
            blocks[-1][1].append(line)
        elif line and not line.startswith("#"):
            strays.append(line)
    pins = [
        Pin(
            name=canonicalize_name(start["name"]),
            version=start["version"],
            hashed=any("--hash=sha256:" in line for line in lines),
            direct=any(_ASKED_FOR_BY_THE_PROJECT.search(line) for line in lines),
        )
        for start, lines in blocks
    ]
    return pins, strays


def requirements_of(project: Mapping[str, Any], group: str | None) -> Iterator[Requirement]:
    """List what a dependency group asks for, with the groups that it includes."""
    entries = project["project"]["dependencies"] if group is None else project["dependency-groups"][group]
    for entry in entries:
        if isinstance(entry, str):
            yield Requirement(entry)
        else:
            yield from requirements_of(project, entry["include-group"])


def complaints_about(pins: Sequence[Pin], wanted: Sequence[Requirement]) -> Iterator[str]:
    """Say where the pins of one lock file are not what is wanted."""
    for requirement in wanted:
        versions = [pin.version for pin in pins if pin.name == canonicalize_name(requirement.name)]
        if not versions:
            yield f"{requirement} is not locked"
        for version in versions:
            if not requirement.specifier.contains(version, prereleases=True):
                yield f"{requirement} is locked at {version}"
    asked_for = {canonicalize_name(requirement.name) for requirement in wanted}
    for pin in pins:
        if not pin.hashed:
            yield f"{pin.name} has no hash"
        if pin.direct and pin.name not in asked_for:
            yield f"{pin.name} is locked, but nothing asks for it any more"


def untested(runtime: Sequence[Pin], dev: Sequence[Pin]) -> Iterator[str]:
    """Say where what is run is not what is tested."""
    tested = {(pin.name, pin.version) for pin in dev}
    for pin in runtime:
        if (pin.name, pin.version) not in tested:
            yield f"{pin.name} {pin.version} is not what requirements/dev.txt has"


def main(root: Path) -> int:
    """Check the lock files of a checkout; print what is wrong."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    locks: dict[str, list[Pin]] = {}
    complaints: list[str] = []
    for name, groups in LOCKS.items():
        locks[name], strays = parse_lock((root / "requirements" / name).read_text())
        wanted = [requirement for group in groups for requirement in requirements_of(project, group)]
        complaints += [f"{name}: {stray.strip()!r} is neither a pin nor a hash" for stray in strays]
        complaints += [f"{name}: {complaint}" for complaint in complaints_about(locks[name], wanted)]
    complaints += [
        f"runtime.txt: {complaint}" for complaint in untested(locks["runtime.txt"], locks["dev.txt"])
    ]
    for complaint in complaints:
        print(f"requirements/{complaint}", file=sys.stderr)
    if complaints:
        print("hint: `make lock` writes these files", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()))
