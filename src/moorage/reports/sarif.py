"""The frame of SARIF 2.1.0, which code scanning of GitHub, GitLab and others reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from moorage import __version__

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
SECURITY: Final[Mapping[str, str]] = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.0"}
"""GitHub sorts by this number, and calls from 9.0 on critical, from 7.0 high, from 4.0 medium."""

_SRCROOT: Final = "%SRCROOT%"


def document(
    tool: str,
    *,
    rules: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
    invocation: Mapping[str, Any],
) -> dict[str, Any]:
    """Return a document of one run.

    Args:
        tool: the command that made it; runs of one tool are told apart from those of others by it.
        rules: what results point to.
        results: what was found.
        invocation: how the run went.
    """
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": tool,
                        "version": __version__,
                        "semanticVersion": __version__,
                        "rules": [*rules],
                    }
                },
                "automationDetails": {"id": f"{tool.replace(' ', '-')}/"},
                "columnKind": "unicodeCodePoints",
                "invocations": [invocation],
                "results": [*results],
            }
        ],
    }


def artifact(file: str) -> dict[str, Any]:
    """Return where a file is: below the root of the sources, unless its path is absolute."""
    path = PurePath(file)
    if path.is_absolute():
        return {"uri": f"file://{quote(path.as_posix())}"}
    return {"uri": quote(path.as_posix()), "uriBaseId": _SRCROOT}


def text(content: Mapping[str, Any]) -> str:
    """Return a document as it is written."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
