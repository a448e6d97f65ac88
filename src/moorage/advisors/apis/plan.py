"""The decision: which of the versions that were seen matter at the target, how much, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from moorage.advisors.advice import Advice, Change, Finding
from moorage.advisors.apis.mechanical import Conversion
from moorage.advisors.apis.model import How, Seen, Sighting
from moorage.advisors.apis.table import Api, State, Table
from moorage.advisors.apis.versions import KUBERNETES, Targets, shown
from moorage.errors import ExitCode
from moorage.reports.findings import Action, Severity

ADVISOR: Final = "apis"
_AHEAD: Final = 1
_NOT_JUDGED: Final = "not judged: "

Converter = Callable[[Sighting], Conversion | None]

_REMOVED: Final[Mapping[How, tuple[Severity, str]]] = {
    How.WRITTEN: (Severity.HIGH, "Applying it fails: the API server does not know the version."),
    How.NAMED: (
        Severity.HIGH,
        "What reads this field finds nothing: the API server does not know the version.",
    ),
    How.RELEASED: (
        Severity.HIGH,
        "`helm upgrade` and `helm rollback` fail: Helm cannot read the manifest of the installed release.",
    ),
    How.APPLIED: (
        Severity.MEDIUM,
        "The object itself stays. Whoever wrote it cannot write it again in that version.",
    ),
    How.CALLED: (Severity.HIGH, "These requests fail with 404."),
    How.REQUESTED: (Severity.MEDIUM, "These requests fail with 404; the audit log tells whose they are."),
    How.STORED: (
        Severity.HIGH,
        "The API server refuses a CRD without a version that may be stored: the next upgrade of it fails.",
    ),
    How.MATCHED: (Severity.CRITICAL, "It matches nothing any more: what it shall refuse is let through."),
}
_DEPRECATED: Final[Mapping[How, str]] = {
    How.WRITTEN: "It still works; the API server warns.",
    How.NAMED: "It still works.",
    How.RELEASED: "It still works.",
    How.APPLIED: "It still works.",
    How.CALLED: "They still work; the API server warns.",
    How.REQUESTED: "They still work; the API server warns.",
    How.STORED: "It still works.",
    How.MATCHED: "It still works.",
}


def plan(
    seen: Seen,
    targets: Targets,
    table: Table,
    *,
    convert: Converter = lambda _: None,
    time: datetime | None = None,
) -> Advice:
    """Return what matters at the targets, the worst first.

    Args:
        seen: what was looked at; the order of it makes no difference.
        targets: for which versions.
        table: what is known.
        convert: converts the object of a sighting.
        time: of the evidence.
    """
    findings: dict[str, Finding] = {}
    for sighting in sorted(seen.sightings, key=_order):
        state = sighting.api.state(targets)
        if state is not State.SERVED:
            finding = _finding(sighting, state, convert, table)
            findings.setdefault(finding.identity(), finding)
    return Advice(
        ADVISOR,
        tuple(sorted(findings.values(), key=_worst_first)),
        notes=(*_unread(seen.unread), *_beyond(targets, table), *dict.fromkeys(seen.notes)),
        facts={
            "target": shown(targets.kubernetes),
            **({"projects": {name: shown(each) for name, each in sorted(targets.projects.items())}}
               if targets.projects else {}),
            "known": f"Kubernetes {table.source or shown(table.newest)}",
            **seen.facts,
        },
        time=time,
    )  # fmt: skip


def exit_code(advice: Advice, seen: Seen, *, strict: bool) -> ExitCode:
    """Return 2 when something could not be judged, 1 for what is removed (or with ``strict`` deprecated)."""
    if seen.unread:
        return ExitCode.FAILURE
    wanted = (finding for finding in advice.findings if strict or finding.code.endswith("-removed"))
    return ExitCode.FINDINGS if any(True for _ in wanted) else ExitCode.OK


def judged(notes: Iterable[str]) -> tuple[str, ...]:
    """Return notes without those of what could not be judged."""
    return tuple(note for note in notes if not note.startswith(_NOT_JUDGED))


def _order(sighting: Sighting) -> tuple[Any, ...]:
    return (
        sighting.api.name, sighting.how, sighting.thing, sighting.parts, sighting.who,
        str(sighting.location), repr(sighting.evidence),
    )  # fmt: skip


def _worst_first(finding: Finding) -> tuple[Any, ...]:
    place = finding.location
    return (
        -finding.severity.rank, place.file, place.line or 0, finding.subject, finding.code, finding.parts,
    )  # fmt: skip


def _finding(sighting: Sighting, state: State, convert: Converter, table: Table) -> Finding:
    api, removed = sighting.api, state is State.REMOVED
    conversion = convert(sighting)
    severity, consequence = _REMOVED[sighting.how]
    if not removed:
        severity = Severity.LOW
        until = f" {api.owner} {shown(api.removed)} does not serve it." if api.removed else ""
        consequence = f"{_DEPRECATED[sighting.how]}{until}"
    else:
        since = f"From {api.owner} {shown(api.removed)} on: " if api.removed else ""
        consequence = f"{since}{consequence}"
    return Finding(
        ADVISOR,
        sighting.thing,
        f"{sighting.how.value}-{'removed' if removed else 'deprecated'}",
        severity,
        sighting.confidence,
        _summary(sighting),
        _evidence(sighting, conversion, table),
        change=_change(conversion),
        consequence=consequence,
        location=sighting.location,
        parts=(str(api.name), *sighting.parts, sighting.who),
    )


def _summary(sighting: Sighting) -> str:
    api = sighting.api
    said = {
        How.WRITTEN: "it is written in",
        How.NAMED: f"{sighting.field.removesuffix('.apiVersion')} is",
        How.RELEASED: "the installed release has it in",
        How.APPLIED: f"{sighting.who or 'somebody'} has written it in",
        How.CALLED: "it asks for",
        How.REQUESTED: "it is asked for in",
        How.STORED: "it may be stored in",
        How.MATCHED: f"{sighting.who or sighting.field} matches only",
    }[sighting.how]
    name = str(api.name) if sighting.how in (How.NAMED, How.MATCHED, How.CALLED) else api.name.api_version
    instead = f"use {_instead(api)}" if api.replacement else f"{api.owner} names no replacement"
    return f"{said} {name}, {_life(api)}; {instead}"


def _instead(api: Api) -> str:
    new = api.replacement
    if new is None:
        return "nothing"
    return new.api_version if new.kind == api.name.kind else str(new)


def _life(api: Api) -> str:
    """Say since when it is deprecated, and in what it is removed; of an empty version nobody tells."""
    parts = []
    if api.deprecated is not None:
        parts.append(
            f"deprecated since {api.owner} {shown(api.deprecated)}" if api.deprecated else "deprecated"
        )
    if api.removed is not None:
        owner = "" if api.deprecated else f"{api.owner} "
        parts.append(f"removed in {owner}{shown(api.removed)}" if api.removed else "not served")
    return " and ".join(parts)


def _evidence(sighting: Sighting, conversion: Conversion | None, table: Table) -> dict[str, Any]:
    api = sighting.api
    new = table.by_name(api.replacement.api_version, api.replacement.kind) if api.replacement else None
    found: dict[str, Any] = {
        "version": str(api.name),
        "deprecatedSince": shown(api.deprecated) if api.deprecated else None,
        "removedIn": shown(api.removed) if api.removed else None,
        "replacement": str(api.replacement) if api.replacement else None,
        **({"replacementSince": shown(new.introduced)} if new and new.introduced else {}),
        **({"project": api.project} if api.project != KUBERNETES else {}),
        **({"said": api.said} if api.said else {}),
        **({"field": sighting.field} if sighting.field else {}),
        **sighting.evidence,
    }
    if conversion is not None:
        found["conversion"] = conversion.ground
        if conversion.attention:
            found["attention"] = list(conversion.attention)
    return found


def _change(conversion: Conversion | None) -> tuple[Change, ...]:
    if conversion is None or conversion.content is None:
        return ()
    metadata = conversion.content.get("metadata")
    if not isinstance(metadata, Mapping) or not metadata.get("name"):
        return ()  # one that is named by the server cannot be applied
    return (Change(Action.APPLY, conversion.content, conversion.was),)


def _unread(unread: Iterable[str]) -> Iterator[str]:
    for problem in dict.fromkeys(unread):
        yield f"{_NOT_JUDGED}{problem}"


def _beyond(targets: Targets, table: Table) -> Iterator[str]:
    newest = table.newest
    if targets.kubernetes > (newest[0], newest[1] + _AHEAD):
        yield (
            f"known is Kubernetes up to {shown(newest)} and what it says of later ones; what "
            f"{shown(targets.kubernetes)} removes beyond that is not known yet"
        )
