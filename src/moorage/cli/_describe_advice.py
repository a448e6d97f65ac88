"""What a person is shown of an advice."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from moorage.cli._output import paint, terminal_width
from moorage.reports.words import printable

if TYPE_CHECKING:
    from moorage.advisors.advice import Change
    from moorage.advisors.applying.plan import Step
    from moorage.api.advice import Advice

_WIDTH: Final = 80
_STYLES: Final = {"+": "green", "-": "red"}
_AUTO: Final = "moorage:auto"
_UNDER_WAY: Final = {"Applying": "applying", "Reverting": "reverting"}


def state(record: Mapping[str, Any]) -> str:
    """Return what has become of an advice, in a word or two."""
    status = record.get("status") or {}
    application = status.get("application") or {}
    told = str(status.get("state") or "Open").lower()
    if (phase := application.get("phase")) in _UNDER_WAY:
        return f"{told}, {_UNDER_WAY[phase]}"
    if told == "open" and phase == "Reverted":
        return "open, taken back"
    if told == "open" and application.get("harm"):
        return "open, did harm"
    if told == "applied" and application.get("by") == _AUTO:
        return "auto-applied"
    if application.get("phase") == "Applied" and told != "applied":
        return f"{told}, applied"
    return told


def described(
    item: Advice, evidence: Mapping[str, Any] | None, others: Sequence[Advice] = ()
) -> Iterator[str]:
    """Yield the lines of an advice.

    Args:
        item: which one.
        evidence: all of it, where it comes from the store.
        others: those with the same change.
    """
    spec, status = item.spec, item.status
    was = status.severity_change if status is not None else None
    yield f"{paint(item.metadata.name, 'bold')}: {state(item.wire())}"
    severity = (
        f"{spec.severity.value} (was {was.was.value} until {was.at:%Y-%m-%d})" if was else spec.severity
    )
    yield f"{severity} {spec.code}, {spec.confidence}% sure; {spec.advisor}, cluster {spec.cluster}"
    yield ""
    yield from _wrapped(f"{spec.subject}: {spec.summary}")
    if spec.consequence:
        yield from _wrapped(f"{spec.consequence}{f' By {spec.by:%Y-%m-%d}.' if spec.by else ''}")
    if spec.location.object or spec.location.file:
        line = f":{spec.location.line}" if spec.location.line else ""
        yield from _wrapped(
            f"Where: {spec.location.file + line if spec.location.file else spec.location.object}"
        )
    yield from _section("Evidence", _evidence(evidence if evidence is not None else spec.evidence))
    if spec.stored_evidence is not None and evidence is None:
        yield f"  (a part of {spec.stored_evidence.size:,} bytes; --store URL shows all of it)"
    yield from _section("Change", _change(item))
    if as_well := [other.metadata.name for other in others if other.state.value == "Open"]:
        yield from _wrapped(f"The same change resolves {', '.join(as_well)}, too.", indent="  ")
    for other in others:
        if harm := _harm(other):
            yield from _wrapped(f"It did harm, as {other.metadata.name}: {harm}", style="red", indent="  ")
    yield from _section("History", _history(item))


def recorded_diff(change: Sequence[Change]) -> str:
    """Return a change as a unified diff against what the advisor has seen."""
    from moorage.advisors.keeping.written import difference
    from moorage.reports.findings import Action

    return "".join(
        difference(each.was, None if each.action is Action.DELETE else each.content, each.name)
        or f"# {each.action.value} {each.name}\n"
        for each in change
    )


def steps_diff(steps: Sequence[Step]) -> str:
    """Return steps as a unified diff between how their objects are and how they would be."""
    from moorage.advisors.applying.images import content
    from moorage.advisors.keeping.written import difference

    told = ""
    for step in steps:
        before, after = step.images.before, step.images.after
        told += difference(content(before) if before else None, content(after) if after else None, step.name)
    return told


def painted(diff: str) -> str:
    """Return a diff in its colours, and without what would command a terminal."""
    return "".join(f"{paint(printable(line), _STYLES.get(line[:1]))}\n" for line in diff.splitlines())


def _change(item: Advice) -> Iterator[str]:
    if (stored := item.spec.stored_change) is not None:
        yield f"{stored.size:,} bytes, in the store; `moorage advice diff --store URL` shows it"
    for each in item.spec.change:
        yield f"{each.action.value} {_name(each.object)}"
        yield from (f"  {line}" for line in painted(each.diff).splitlines())


def _name(obj: Mapping[str, Any]) -> str:
    metadata = obj["metadata"]
    where = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return printable(f"{obj['kind']} {where}{metadata['name']}")


def _evidence(evidence: Mapping[str, Any]) -> Iterator[str]:
    for key, value in evidence.items():
        yield from _wrapped(f"{key}: {_told(value)}", indent="  ")


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_told(item)}" for key, item in value.items())
    if isinstance(value, list):
        return "; ".join(map(_told, value))
    return value if isinstance(value, str) else json.dumps(value)


def _history(item: Advice) -> Iterator[str]:
    from moorage.cli._run import person

    if item.status is None:
        return
    if harm := _harm(item):
        yield from _wrapped(f"It did harm: {harm}", style="red", indent="  ")
    for each in item.status.history:
        yield from _wrapped(f"{each.at:%Y-%m-%d %H:%M} {person(each.by)}: {each.what}", indent="  ")


def _harm(item: Advice) -> str:
    application = item.status.application if item.status is not None else None
    return application.harm if application is not None else ""


def _section(title: str, lines: Iterator[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield ""
        yield paint(title, "bold")
        yield from (f"  {line}" for line in found)


def _wrapped(text: str, *, indent: str = "", style: str | None = None) -> list[str]:
    """Return a text in lines; they are painted when they are whole: what commands a terminal is taken out."""
    lines = textwrap.wrap(
        printable(" ".join(text.split())),
        max(terminal_width() or _WIDTH, 20) - 2,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [paint(line, style) for line in lines] or [""]
