"""The findings that a patch is asked for: what an advisor printed as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moorage.advisors.advice import Change
from moorage.advisors.render.as_json import VERSION
from moorage.errors import MoorageError
from moorage.reports.findings import Action

_HINT = "make it with `moorage advise ... -o json`"


@dataclass(frozen=True, slots=True)
class Asked:
    """One change that is asked for, by one finding or by several.

    Args:
        title: the findings, in words.
        changes: the objects, as they shall be or that go.
        file: where the advisor has read the object; empty for a cluster.
    """

    title: str
    changes: tuple[Change, ...] = field(repr=False)
    file: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """What was read.

    Args:
        asked: the changes, each once.
        silent: how many findings propose no change.
    """

    asked: tuple[Asked, ...]
    silent: int


def read_findings(path: str) -> Findings:
    """Read the findings in a file, or from standard input (``-``).

    Raises:
        MoorageError: there are none, or in a shape that is not known.
    """
    shown = "standard input" if path == "-" else path
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        report = json.loads(text)
    except OSError as error:
        raise MoorageError(f"{shown}: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:
        raise MoorageError(f"{shown}: this is not JSON: {error}", hint=_HINT) from error
    if not isinstance(report, dict) or report.get("apiVersion") != VERSION:
        found = report.get("apiVersion") if isinstance(report, dict) else None
        raise MoorageError(f"{shown}: this is no advice of {VERSION}, but {found!r}", hint=_HINT)
    try:
        return _findings(report["findings"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MoorageError(f"{shown}: a finding is not as it should be: {error!r}", hint=_HINT) from error


def _findings(found: list[Mapping[str, Any]]) -> Findings:
    """Put findings with the same change together: it is made once."""
    by_change: dict[str, list[Mapping[str, Any]]] = {}
    silent = 0
    for finding in found:
        if finding["change"]:
            by_change.setdefault(json.dumps(finding["change"], sort_keys=True), []).append(finding)
        else:
            silent += 1
    return Findings(tuple(_asked(same) for same in by_change.values()), silent)


def _asked(findings: list[Mapping[str, Any]]) -> Asked:
    codes = ", ".join(dict.fromkeys(str(finding["code"]) for finding in findings))
    subjects = ", ".join(dict.fromkeys(str(finding["subject"]) for finding in findings))
    changes = tuple(_change(each) for each in findings[0]["change"])
    location = findings[0].get("location") or {}
    return Asked(f"{subjects} ({codes})", changes, str(location.get("file") or ""))


def _change(told: Mapping[str, Any]) -> Change:
    content = told["object"]
    metadata = content["metadata"]
    for name in (content["apiVersion"], content["kind"], metadata["name"], metadata.get("namespace") or ""):
        if not isinstance(name, str):
            raise TypeError(f"{name!r} is not text")
    was = told.get("was")
    if was is not None and not isinstance(was, dict):
        raise TypeError(f"{was!r} is not an object")
    return Change(Action(told["action"]), content, was)
