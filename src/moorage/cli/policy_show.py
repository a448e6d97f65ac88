"""``moorage policy list`` and ``explain``: which policies there are, and what one is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from moorage.cli._libraries import read_libraries
from moorage.cli._output import (
    Column,
    Output,
    OutputOption,
    dump,
    paint,
    print_records,
    terminal_width,
    write,
)
from moorage.cli._policies import (
    BuiltinOption,
    ImageOption,
    KeyOption,
    OfflineOption,
    PoliciesOption,
)
from moorage.errors import MoorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moorage.policies.model import Library, Policy, PolicySet

_STYLES = {"critical": "red", "high": "red"}
_POLICIES = (
    Column("Name", lambda record: str(record["name"])),
    Column("Severity", lambda record: str(record["severity"]), _STYLES.get),
    Column("Sets", lambda record: ", ".join(record["sets"])),
    Column("Title", lambda record: str(record["title"])),
)
_SETS = (
    Column("Name", lambda record: str(record["name"])),
    Column("Policies", lambda record: str(len(record["policies"]))),
    Column("Title", lambda record: str(record["title"])),
)
_WIDTH = 80


def list_policies(
    *,
    chosen: Annotated[
        str | None, typer.Option("--set", metavar="SET", help="Only the policies of this set.")
    ] = None,
    sets: Annotated[bool, typer.Option("--sets", help="List the sets instead.")] = False,
    policies: PoliciesOption = None,
    image: ImageOption = None,
    builtin: BuiltinOption = True,
    key: KeyOption = None,
    offline: OfflineOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """List the policies, or the sets that namespaces opt in to."""
    from moorage.policies.load import combine

    libraries = read_libraries(policies, image, keys=key, offline=offline, builtin=builtin)
    found, known = combine(libraries)
    if sets:
        print_records(
            [_set_record(known[name]) for name in sorted(known)],
            output,
            columns=_SETS,
            nothing="there are no sets",
            whole=True,
        )
        return
    if chosen is not None and chosen not in known:
        raise MoorageError(
            f"there is no set {chosen}", hint=f"there are {', '.join(sorted(known)) or 'none'}"
        )
    members = {entry.policy for entry in known[chosen].entries} if chosen else set(found)
    print_records(
        [_record(policy, known) for name, policy in sorted(found.items()) if name in members],
        output,
        columns=_POLICIES,
        nothing="there are no policies",
        whole=True,
    )


def explain(
    name: Annotated[str, typer.Argument(metavar="POLICY", help="Which policy.")],
    *,
    policies: PoliciesOption = None,
    image: ImageOption = None,
    builtin: BuiltinOption = True,
    key: KeyOption = None,
    offline: OfflineOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Say what a policy is about, and how to mend what it refuses."""
    from moorage.policies.load import combine

    libraries: list[Library] = read_libraries(policies, image, keys=key, offline=offline, builtin=builtin)
    found, known = combine(libraries)
    policy = found.get(name)
    if policy is None:
        from difflib import get_close_matches

        close = get_close_matches(name, found, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "`moorage policy list` shows what there is"
        raise MoorageError(f"there is no policy {name}", hint=hint)
    match output:
        case Output.TABLE:
            _print_page(policy, known)
        case Output.NAME:
            write(policy.name)
        case _:
            dump(_whole(policy, known), output)


def _sets_of(policy: Policy, sets: Mapping[str, PolicySet]) -> list[str]:
    return [name for name in sorted(sets) if any(entry.policy == policy.name for entry in sets[name].entries)]


def _record(policy: Policy, sets: Mapping[str, PolicySet]) -> dict[str, Any]:
    return {
        "name": policy.name,
        "severity": str(policy.severity),
        "category": policy.category,
        "sets": _sets_of(policy, sets),
        "title": policy.title,
        "library": policy.library,
    }


def _set_record(found: PolicySet) -> dict[str, Any]:
    return {
        "name": found.name,
        "title": found.title,
        "description": found.description,
        "label": found.label,
        "library": found.library,
        "policies": [entry.policy for entry in found.entries],
    }


def _whole(policy: Policy, sets: Mapping[str, PolicySet]) -> dict[str, Any]:
    return {
        **_record(policy, sets),
        "scope": str(policy.scope),
        "engine": str(policy.engine),
        "what": policy.what,
        "why": policy.why,
        "mend": {"text": policy.mend.text, "before": policy.mend.before, "after": policy.mend.after},
        "parameters": {"schema": policy.parameters_schema, "default": policy.parameters},
        "match": policy.match,
        "inventory": [f"{kind.kind} ({kind.api_version})" for kind in policy.inventory],
        "references": [{"title": each.title, "url": each.url} for each in policy.references],
        "folder": policy.folder,
    }


def _print_page(policy: Policy, sets: Mapping[str, PolicySet]) -> None:
    import textwrap

    from moorage.policies.pages import parameter_rows

    width = min(terminal_width() or _WIDTH, _WIDTH)

    def paragraph(text: str, indent: str = "") -> None:
        for part in text.split("\n\n"):
            words = " ".join(part.split())
            write(
                textwrap.fill(
                    words,
                    width,
                    initial_indent=indent,
                    subsequent_indent=indent,
                    break_long_words=False,
                    break_on_hyphens=False,
                )
            )

    def heading(text: str) -> None:
        write("")
        write(paint(text, "bold"))

    write(f"{paint(policy.name, 'bold')}: {policy.title}")
    severity = paint(str(policy.severity), _STYLES.get(str(policy.severity)))
    chosen = ", ".join(_sets_of(policy, sets)) or "no set"
    write(f"{severity}, {policy.category}; in {chosen}; from {policy.library}")
    heading("What")
    paragraph(policy.what)
    heading("Why")
    paragraph(policy.why)
    heading("How to mend it")
    paragraph(policy.mend.text)
    for title, text in (("refused", policy.mend.before), ("allowed", policy.mend.after)):
        if text.strip():
            write(f"\n  {paint(f'# {title}', 'dim')}")
            write(textwrap.indent(text.rstrip(), "  "))
    rows = parameter_rows(policy)
    if rows:
        heading("Parameters")
        for row in rows:
            default = f", {row.default} unless a set says otherwise" if row.default else ""
            write(f"  {paint(row.name, 'bold')} ({row.type}{default})")
            paragraph(row.description, "    ")
    if policy.references:
        heading("To read on")
        for reference in policy.references:
            write(f"  {reference.title}\n    {reference.url}")
