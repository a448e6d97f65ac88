"""A report as Markdown: a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from moorage.policies.model import Action, Policy
from moorage.policies.report.model import Report, Result, refused_first
from moorage.policies.report.words import summary
from moorage.reports.markdown import LONGEST, code, escaped
from moorage.reports.words import counted

MARK: Final = "<!-- moorage-policy -->"
"""By which the comment is found again, to be replaced."""

_ICONS: Final = {Action.ENFORCE: "❌ refused", Action.WARN: "⚠️ warned of", Action.AUDIT: "📝 noted"}


def render(report: Report) -> str:
    """Return a report as Markdown; what would make it too long for a comment is counted only."""
    kept = ""
    lines = list(_lines(report))
    for number, line in enumerate(lines):
        if len(kept) + len(line) > LONGEST:
            closing = "" if "<details>" not in kept.rsplit("</details>", 1)[-1] else "\n</details>\n"
            rest = counted(len(lines) - number, "more line")
            return f"{kept}{closing}\n…and {rest}; `moorage policy test` shows all of it.\n"
        kept += f"{line}\n"
    return kept


def _lines(report: Report) -> Iterator[str]:
    yield MARK
    yield f"### {_headline(report)}"
    yield ""
    yield escaped(summary(report))
    for failure in report.failures:
        hint = f" {escaped(failure.hint)}" if failure.hint else ""
        yield ""
        yield f"> [!CAUTION]\n> {escaped(failure.message)}{hint}"
    if report.shown:
        title = "What this change brings" if report.change else "What is wrong"
        yield from ("", f"#### {title}", "")
        yield from _table(report.shown)
        yield from ("", "#### What to do", "")
        for policy in report.broken:
            yield from _mend(policy)
    if report.change and report.change.mended:
        yield from ("", "#### What this change mends ✅", "")
        yield from (f"- {escaped(r.title)}: {_policy(r.policy)}" for r in report.change.mended)
    if report.remarks or report.notes:
        yield from ("", "#### To know", "")
        yield from (f"- exception `{r.name}`: {escaped(r.text)}" for r in report.remarks)
        yield from (f"- {escaped(note)}" for note in report.notes)


def _headline(report: Report) -> str:
    if report.failures:
        return "Policies: not everything could be judged"
    refused = report.counts[Action.ENFORCE]
    if refused:
        return f"Policies: the cluster would refuse this ({counted(refused, 'finding')})"
    return "Policies: nothing is refused" + (", with warnings" if report.counts[Action.WARN] else "")


def _table(results: Sequence[Result]) -> Iterator[str]:
    yield "| | where | what | policy |"
    yield "| --- | --- | --- | --- |"
    for group in refused_first(results):
        for result in group:
            yield (
                f"| {_ICONS[result.action]} | `{code(str(result.where))}` "
                f"| **{escaped(result.title)}**<br>{escaped(result.message)} "
                f"| {_policy(result.policy)} ({result.policy.severity}) |"
            )


def _mend(policy: Policy) -> Iterator[str]:
    yield f"<details><summary><b>{escaped(policy.name)}</b>: {escaped(policy.title)}</summary>"
    yield f"\n{policy.mend.text}\n"
    for title, text in (("Refused", policy.mend.before), ("Allowed", policy.mend.after)):
        if text.strip():
            yield f"{title}:\n\n```yaml\n{text.strip()}\n```\n"
    yield f"{policy.why}\n"
    for reference in policy.references:
        yield f"- [{escaped(reference.title)}]({reference.url})"
    yield "\n</details>\n"


def _policy(policy: Policy) -> str:
    if policy.references:
        return f"[{policy.name}]({policy.references[0].url})"
    return f"`{policy.name}`"
