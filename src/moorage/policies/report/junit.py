"""A report as JUnit XML, which every CI system shows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from typing import Final
from xml.etree import ElementTree as ET

from moorage.policies.model import Action
from moorage.policies.report.model import Failure, Report, Result, Thing

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report) -> str:
    """Return a report as JUnit XML: a suite a file; a case a finding, and for each object without one."""
    root = ET.Element("testsuites", name="moorage policy")
    by_thing: dict[int, list[Result]] = {}
    for result in report.shown:
        by_thing.setdefault(id(result.thing), []).append(result)
    things = [
        *report.things,
        *(r.thing for r in report.shown if id(r.thing) not in set(map(id, report.things))),
    ]
    for file, group in groupby(sorted(things, key=_file), _file):
        _suite(root, file, [(thing, by_thing.get(id(thing), [])) for thing in group])
    if report.failures:
        _failures(root, report.failures)
    totals = {
        name: sum(int(suite.get(name, "0")) for suite in root) for name in ("tests", "failures", "errors")
    }
    for name, total in totals.items():
        root.set(name, str(total))
    return xml(root)


def xml(root: ET.Element) -> str:
    """Return a document as text."""
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def text(said: str) -> str:
    """Return a text without the characters that XML cannot hold."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", said)


def _file(thing: Thing) -> str:
    return thing.where.file


def _suite(root: ET.Element, file: str, things: Iterable[tuple[Thing, list[Result]]]) -> None:
    suite = ET.SubElement(root, "testsuite", name=text(file), errors="0", skipped="0")
    for thing, results in things:
        if not results:
            ET.SubElement(suite, "testcase", name=text(str(thing)), classname=text(file))
        for result in results:
            _case(suite, result)
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in suite)))


def _case(suite: ET.Element, result: Result) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        name=text(f"{result.title}: {result.policy.name}"),
        classname=text(result.thing.where.file),
        file=text(result.where.file),
    )
    if result.where.line is not None:
        case.set("line", str(result.where.line))
    said = f"{result.where}: {result.message}\n\n{result.policy.mend.text}"
    said += f"\n{result.link}" if result.link else ""
    if result.action is Action.ENFORCE:
        kind = f"{result.policy.severity} {result.policy.name}"
        ET.SubElement(case, "failure", message=text(result.message), type=kind).text = text(said)
    else:
        ET.SubElement(case, "system-out").text = text(f"{result.action}: {said}")


def _failures(root: ET.Element, failures: Iterable[Failure]) -> None:
    suite = ET.SubElement(root, "testsuite", name="could not be judged", failures="0", skipped="0")
    for failure in failures:
        file = failure.where.file if failure.where else ""
        case = ET.SubElement(
            suite, "testcase", name=text(file or failure.message), classname="moorage policy"
        )
        hint = f"\nhint: {failure.hint}" if failure.hint else ""
        error = ET.SubElement(case, "error", message=text(failure.message), type="failure")
        error.text = text(f"{failure.message}{hint}")
    suite.set("tests", str(len(suite)))
    suite.set("errors", str(len(suite)))
