"""Write what is made from the models: the CRDs, and the reference.

``python -m moorage.api.generate`` writes the files; with ``--check`` it exits 1 when they are not what the
models say.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from moorage.api.crd import custom_resource_definitions
from moorage.api.reference import reference
from moorage.errors import ExitCode

CRDS = Path(__file__).parent / "crds"
REFERENCE = Path("docs/reference/api.md")

_COMMAND = "python -m moorage.api.generate"
_HEADER = f"# Generated from the models in src/moorage/api by `{_COMMAND}`; do not edit.\n"


class _Dumper(yaml.SafeDumper):
    """YAML that says everything in its place."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - nothing is ever said by reference
        return True


def generated(root: Path) -> dict[Path, str]:
    """Return what is made from the models, by the file that it belongs into.

    Args:
        root: the repository, for what is not part of the package.
    """
    files = {
        CRDS / f"{definition['metadata']['name']}.yaml": _HEADER
        + yaml.dump(definition, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
        for definition in custom_resource_definitions()
    }
    return {**files, root / REFERENCE: reference()}


def stale(files: dict[Path, str]) -> list[Path]:
    """Return the files that are not what the models say, with those that should not be there."""
    different = [path for path, text in files.items() if not path.exists() or path.read_text("utf-8") != text]
    return sorted([*different, *_left_over(files)])


def write(files: dict[Path, str]) -> None:
    """Write the files, and remove those of kinds that are no more."""
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    for path in _left_over(files):
        path.unlink()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog=_COMMAND, description="Write the CRDs and the API's reference.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when something is stale")
    parser.add_argument("--root", type=Path, default=Path(), help="the repository (default: here)")
    options = parser.parse_args(arguments)
    files = generated(options.root)
    if not options.check:
        write(files)
        return ExitCode.OK
    if found := stale(files):
        names = "".join(f"  {path}\n" for path in found)
        sys.stderr.write(f"not what the models say:\n{names}hint: run `{_COMMAND}` and look at `git diff`\n")
        return ExitCode.FINDINGS
    return ExitCode.OK


def _left_over(files: dict[Path, str]) -> list[Path]:
    return [path for path in CRDS.glob("*.yaml") if path not in files]


if __name__ == "__main__":
    sys.exit(main())
