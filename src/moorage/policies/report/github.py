"""A report as GitHub's workflow commands: annotations beside the lines of a pull request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from moorage.manifests.model import Where
from moorage.policies.model import Action
from moorage.policies.report.model import Report, Result
from moorage.policies.report.words import summary

_COMMANDS: Final = {Action.ENFORCE: "error", Action.WARN: "warning", Action.AUDIT: "notice"}


def render(report: Report) -> str:
    """Return a report as workflow commands, the refused first: GitHub shows ten of each kind."""
    ordered = sorted(report.shown, key=lambda result: -result.action.strength)
    lines = [*_failures(report), *(_result(result) for result in ordered), summary(report)]
    return "".join(f"{line}\n" for line in lines)


def _result(result: Result) -> str:
    title = f"{result.policy.title} ({result.policy.name}, {result.policy.severity})"
    said = f"{result.title}: {result.message}\n{result.policy.mend.text}"
    said += f"\n{result.link}" if result.link else ""
    return _command(_COMMANDS[result.action], said, title=title, where=result.where)


def _failures(report: Report) -> Iterator[str]:
    for failure in report.failures:
        said = f"{failure.message}\n{failure.hint}" if failure.hint else failure.message
        yield _command("error", said, title="moorage could not judge this", where=failure.where)


def _command(name: str, said: str, *, title: str, where: Where | None) -> str:
    properties = {"title": title}
    if where is not None:
        properties["file"] = where.file
        properties["line"] = str(where.line or 1)
        if where.column is not None:
            properties["col"] = str(where.column)
    written = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {written}::{_data(said)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
