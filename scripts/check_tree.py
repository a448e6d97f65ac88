"""Hold every file of the checkout to what nobody may commit.

- The path of this checkout, or of the home folder of whoever runs this: it works on one machine only.
- The address of a package index or a module proxy: where packages come from is the business of whoever
  installs them, and a mirror must serve as well.
- Conflict markers.

A Python module of more than 400 lines is named, but passes: it wants a second home.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

LONGEST_MODULE_LINES = 400
INDEXES = (
    "pypi.org",
    "files.pythonhosted.org",
    "proxy.golang.org",
    "sum.golang.org",
    "registry.npmjs.org",
    "deb.debian.org",
)
_CONFLICT = re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Rule:
    """What may not be in a file, and how to say so."""

    pattern: re.Pattern[str]
    complaint: str


def rules_for(root: Path, home: Path) -> list[Rule]:
    """Return the rules for a checkout at `root`, run by the owner of `home`."""
    paths = [path for path in (root, home) if path != Path(path.anchor)]
    return [
        Rule(
            re.compile(rf"(?<![\w.~-]){re.escape(str(path))}(?![\w.-])"), f"{path} is a path of this machine"
        )
        for path in paths
    ] + [
        Rule(re.compile("|".join(map(re.escape, INDEXES))), "a package index is named"),
        Rule(_CONFLICT, "a conflict marker"),
    ]


def files_of(root: Path) -> list[Path]:
    """List the files that are, or would be, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=root,
        check=True,
        capture_output=True,
    )
    names = [name for name in listed.stdout.decode().split("\0") if name]
    return [path for name in sorted(set(names)) if (path := root / name).is_file() and not path.is_symlink()]


def complaints_about(text: str, rules: Sequence[Rule]) -> Iterator[tuple[int, str]]:
    """Say on which line of a text which rule is broken."""
    for rule in rules:
        for match in rule.pattern.finditer(text):
            yield text.count("\n", 0, match.start()) + 1, rule.complaint


def main(root: Path) -> int:
    """Check a checkout; print what is wrong."""
    rules = rules_for(root, Path.home())
    broken = False
    for path in files_of(root):
        content = path.read_bytes()
        if b"\0" in content or path == Path(__file__).resolve():
            continue
        text = content.decode(errors="replace")
        name = path.relative_to(root)
        for line, complaint in complaints_about(text, rules):
            broken = True
            print(f"{name}:{line}: {complaint}", file=sys.stderr)
        lines = text.count("\n")
        if name.parts[0] == "src" and name.suffix == ".py" and lines > LONGEST_MODULE_LINES:
            print(f"{name}: warning: {lines} lines; more than {LONGEST_MODULE_LINES} want a second home")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()))
