"""A finding as it is written into an Advice, bounded; and an Advice read back as a finding. Pure."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from moorage.advisors.advice import Change, Finding, Location
from moorage.advisors.render.as_yaml import to_yaml
from moorage.api.advice import (
    CHANGES_MAX,
    DIFF_MAX,
    Advice,
    AdviceChange,
    AdviceLocation,
    AdviceSpec,
    StoredPart,
)
from moorage.reports.findings import Action

EVIDENCE_MAX: Final = 8 * 1024
"""How many bytes of evidence an object has; the rest is in the store, if there is one."""

CHANGE_MAX: Final = 128 * 1024
"""How many bytes the objects of a change may have together, before it is stored elsewhere."""

_PART_MAX: Final = 1024
_CUT: Final = "…"


@dataclass(frozen=True, slots=True)
class Part:
    """What an advice comes to in the store.

    Args:
        room: what it is: ``evidence``, ``change``.
        content: JSON.
    """

    room: str
    content: bytes

    def stored(self, name: str) -> StoredPart:
        """Return how an object points to it."""
        digest = hashlib.sha256(self.content).hexdigest()
        return StoredPart(key=f"{name}/{self.room}", size=len(self.content), digest=digest)


def name_of(finding: Finding, cluster: str) -> str:
    """Return the name of a finding's Advice: the same in every run."""
    return f"{cluster}-{finding.identity()}"


def spec_of(
    finding: Finding, cluster: str, time: datetime | None, *, stores: bool
) -> tuple[AdviceSpec, tuple[Part, ...]]:
    """Return what is written about a finding, and what is stored beside it.

    Args:
        finding: what was found.
        cluster: where.
        time: until when the evidence reaches.
        stores: whether there is a store; without one, what does not fit is left out, and this is said.
    """
    name = name_of(finding, cluster)
    parts: list[Part] = []
    evidence, whole = _bounded(finding.evidence)
    stored_evidence = stored_change = None
    if not whole and stores:
        parts.append(Part("evidence", _json(finding.evidence)))
        stored_evidence = parts[-1].stored(name)
    change = [_change(each) for each in finding.change]
    if len(change) > CHANGES_MAX or len(_json([each.wire() for each in change])) > CHANGE_MAX:
        if stores:
            parts.append(Part("change", _json([each.wire() for each in change])))
            stored_change = parts[-1].stored(name)
        else:
            evidence["changeLeftOut"] = f"{len(change)} objects, too large to be kept without a store"
        change = []
    spec = AdviceSpec(
        advisor=finding.advisor,
        cluster=cluster,
        subject=_line(finding.subject, 512),
        code=finding.code,
        severity=finding.severity,
        confidence=round(finding.confidence * 100),
        summary=_line(finding.summary, 2048),
        consequence=_line(finding.consequence, 2048),
        by=finding.by,
        evidence=evidence,
        time=time,
        location=AdviceLocation(
            object=_line(finding.location.thing, 512),
            file=_line(finding.location.file, 1024),
            line=finding.location.line,
        ),
        change=change,
        stored_evidence=stored_evidence,
        stored_change=stored_change,
    )
    return spec, tuple(parts)


def digest_of(change: Sequence[Change]) -> str:
    """Return what tells a change from others; it fits a label."""
    told = [[each.action.value, each.content] for each in change]
    return hashlib.sha256(_json(told)).hexdigest()[:20]


def finding_of(advice: Advice) -> Finding:
    """Return the finding that an Advice tells of, as far as it is in the object."""
    spec = advice.spec
    return Finding(
        advisor=spec.advisor,
        subject=spec.subject,
        code=spec.code,
        severity=spec.severity,
        confidence=spec.confidence / 100,
        summary=spec.summary,
        evidence=spec.evidence,
        change=tuple(change_of(each) for each in spec.change),
        consequence=spec.consequence,
        location=Location(spec.location.object, spec.location.file, spec.location.line),
        by=spec.by,
    )


def change_of(change: AdviceChange) -> Change:
    """Return one object's change as advisors know it."""
    return Change(change.action, change.object, change.was)


def difference(was: Mapping[str, Any] | None, to_be: Mapping[str, Any] | None, name: str) -> str:
    """Return a unified diff between two states of an object; empty where they are the same."""
    before, after = (to_yaml(dict(each)).splitlines() if each else [] for each in (was, to_be))
    titles = (f"{name} (now)" if was else "/dev/null", f"{name} (to be)" if to_be else "/dev/null")
    return "".join(f"{line}\n" for line in difflib.unified_diff(before, after, *titles, lineterm=""))


def _change(change: Change) -> AdviceChange:
    to_be = None if change.action is Action.DELETE else change.content
    diff = "" if change.was is None else difference(change.was, to_be, change.name)
    if len(diff) > DIFF_MAX:
        diff = f"{diff[:DIFF_MAX].rpartition(chr(10))[0]}\n{_CUT}\n"
    # By its wire: what an API server would return for the same, so that nothing seems to have changed.
    told = {"action": change.action, "object": _plain(change.content), "diff": diff}
    if change.was is not None:
        told["was"] = _plain(change.was)
    return AdviceChange.model_validate(told)


def _bounded(evidence: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return evidence that fits, and whether it is all of it."""
    plain: dict[str, Any] = _plain(evidence)
    if len(_json(plain)) <= EVIDENCE_MAX:
        return plain, True
    kept: dict[str, Any] = {}
    for key, value in plain.items():
        cut = _cut(value)
        if len(_json({**kept, key: cut})) > EVIDENCE_MAX - _PART_MAX:
            kept[_CUT] = f"{len(plain) - len(kept)} more"
            break
        kept[key] = cut
    return kept, False


def _cut(value: Any) -> Any:
    if len(_json(value)) <= _PART_MAX:
        return value
    if isinstance(value, list):
        kept: list[Any] = []
        for item in value:
            if len(_json([*kept, item])) > _PART_MAX:
                break
            kept.append(item)
        return [*kept, f"{_CUT} and {len(value) - len(kept)} more"]
    if isinstance(value, str):
        return f"{value[: _PART_MAX // 4]}{_CUT}"
    return f"{_CUT} {len(_json(value))} bytes"


def _line(text: str, most: int) -> str:
    told = " ".join(text.split())
    return told if len(told) <= most else f"{told[: most - 1]}{_CUT}"


def _plain(value: Any) -> Any:
    """Return a value in JSON's own types, as it comes back from an API server: without what is null."""
    return _without_null(json.loads(_json(value)))


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_null(item) for key, item in value.items() if item is not None}
    return [_without_null(item) for item in value] if isinstance(value, list) else value


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str).encode()
