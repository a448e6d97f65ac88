"""The table of the policy `deprecated-apis`: the same rows as the advisor's, as CEL has them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

_FIRST: Final = 16
"""Removals before are left out: nothing that is served today goes back so far."""

INSTEAD: Final = {"PodSecurityPolicy": "the sets baseline and restricted, or Pod Security Admission"}
"""What to do where Kubernetes has nothing in place of a kind, in words: policies are ours."""

_MAP: Final = re.compile(
    r"(?<=                expression: \|-\n)                  \{\n.*?\n                  \}\n", re.DOTALL
)
_KINDS: Final = re.compile(r"(?<=    kinds:\n).*?(?=^  parameters:)", re.DOTALL | re.MULTILINE)
_SOURCE: Final = re.compile(r"(?<=k8s\.io/api of Kubernetes )\d+\.\d+(?= declares)")
_INDENT: Final = " " * 20
_WIDTH: Final = 116
_WIDEST_LIST: Final = 112


def policy_files(folder: Path, rows: Iterable[Mapping[str, Any]], newest: str) -> dict[Path, str]:
    """Return the policy's files with the table in them."""
    rows = [row for row in rows if row["removed"] and int(row["removed"].split(".")[1]) >= _FIRST]
    template, constraint = folder / "template.yaml", folder / "constraint.yaml"
    text = _SOURCE.sub(newest, template.read_text())
    return {
        template: _replaced(_MAP, text, _table(rows)),
        constraint: _replaced(_KINDS, constraint.read_text(), _kinds(rows)),
    }


def _replaced(pattern: re.Pattern[str], text: str, new: str) -> str:
    found, count = pattern.subn(lambda _: new, text)
    if count != 1:
        raise SystemExit(f"there are {count} places for the table in the policy, not one")
    return found


def _table(rows: Iterable[Mapping[str, Any]]) -> str:
    entries = []
    for row in rows:
        key = f'"{row["apiVersion"]} {row["kind"]}":'
        instead = row["replacement"] or INSTEAD.get(row["kind"], "-")
        value = f'"{row["deprecated"] or "-"} {row["removed"]} {instead}"'
        together = f"{_INDENT}{key} {value}"
        entries.append(together if len(together) < _WIDTH else f"{_INDENT}{key}\n{_INDENT}  {value}")
    body = ",\n".join(entries)
    return f"{_INDENT[2:]}{{\n{body}\n{_INDENT[2:]}}}\n"


def _kinds(rows: Iterable[Mapping[str, Any]]) -> str:
    kinds: dict[str, set[str]] = {}
    for row in rows:
        kinds.setdefault(row["apiVersion"].rpartition("/")[0], set()).add(row["kind"])
    lines = []
    for group in sorted(kinds):
        flow = f"        kinds: [{', '.join(sorted(kinds[group]))}]\n"
        if len(flow) > _WIDEST_LIST:
            flow = "        kinds:\n" + "".join(f"          - {kind}\n" for kind in sorted(kinds[group]))
        lines.append(f"      - apiGroups: [{group or yaml.safe_dump('').strip()}]\n{flow}")
    return "".join(lines)
