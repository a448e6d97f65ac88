"""Advice as Markdown: a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from moorage.advisors.advice import Advice, Change
from moorage.advisors.render.as_yaml import to_yaml
from moorage.advisors.render.words import VERBS, changes, percent, summary
from moorage.reports.findings import Action
from moorage.reports.markdown import LONGEST, code, escaped
from moorage.reports.words import counted, printable


def mark(advisor: str) -> str:
    """Return by what the comment is found again, to be replaced."""
    return f"<!-- moorage-advise-{advisor} -->"


def render(advice: Advice) -> str:
    """Return advice as Markdown; what would make it too long for a comment is counted only."""
    kept = ""
    blocks = list(_blocks(advice))
    for number, block in enumerate(blocks):
        if len(kept) + len(block) > LONGEST:
            return f"{kept}\n…and {counted(len(blocks) - number, 'more part')}; `-o text` shows all of it.\n"
        kept += f"{block}\n"
    return kept


def _blocks(advice: Advice) -> Iterator[str]:
    """Yield what is whole only together: a table's line, a change with its closing tag."""
    yield f"{mark(advice.advisor)}\n### Advice: {advice.advisor}\n\n{_escaped(summary(advice))}\n"
    if advice.findings:
        yield "| | subject | what | where | sure |\n| --- | --- | --- | --- | --- |"
    for finding in advice.findings:
        yield (
            f"| {finding.severity} | `{code(printable(finding.subject))}` "
            f"| **{finding.code}**<br>{_escaped(finding.summary)} "
            f"| `{code(printable(str(finding.location)))}` | {percent(finding.confidence)} |"
        )
    for change in changes(advice.findings):
        yield f"\n{_change(change)}"
    if advice.notes:
        yield "\n#### To know\n"
    yield from (f"- {_escaped(note)}" for note in advice.notes)


def _change(change: tuple[Change, ...]) -> str:
    title = ", ".join(f"{VERBS[each.action]} {_escaped(each.name)}" for each in change)
    applied = [to_yaml(dict(each.content)) for each in change if each.action is Action.APPLY]
    manifest = "---\n".join(applied).replace("```", "'''")
    body = f"```yaml\n{manifest}```\n" if applied else ""
    return f"<details><summary>{title}</summary>\n\n{body}\n</details>"


def _escaped(text: str) -> str:
    return escaped(printable(" ".join(text.split())))
