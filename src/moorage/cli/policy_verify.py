"""``moorage policy verify``: run the suites of policies."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from moorage.cli._needed import get_missing
from moorage.cli._output import dump, paint, write
from moorage.errors import ExitCode, MoorageError

if TYPE_CHECKING:
    from moorage.policies.suites import Suite


class Format(StrEnum):
    """How the outcome is printed."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


def verify(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH", help="Suites, or folders with suites below them. Default: this folder."
        ),
    ] = None,
    *,
    run: Annotated[
        str,
        typer.Option("--run", "-r", metavar="REGEX", help="Only these: TEST//CASE, as gator takes it."),
    ] = "",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name every case.")] = False,
    output: Annotated[Format, typer.Option("--output", "-o", help="How to print the outcome.")] = Format.TEXT,
) -> None:
    """Run the suites of policies, as `gator verify` does.

    Ends with 1 when a case fails, with 2 when a suite cannot be run.
    """
    from pathlib import Path

    from moorage.policies.suites import find_suites, run_suites
    from moorage.toolchain import locate

    found = find_suites([Path(path) for path in paths or ["."]])
    if not found:
        raise MoorageError(
            f"there is no suite in {', '.join(paths or ['this folder'])}",
            hint="a suite is a file with `kind: Suite`; `moorage policy new` writes one",
        )
    get_missing(["gator"])
    suites: list[Suite] = []
    for suite in run_suites(found, locate("gator"), only=run):
        suites.append(suite)
        if output is Format.TEXT:
            _print(suite, verbose=verbose)
    match output:
        case Format.TEXT:
            write(_summary(suites))
        case Format.JSON:
            from moorage.cli._output import Output

            dump([_record(suite) for suite in suites], Output.JSON)
        case Format.JUNIT:
            write(_junit(suites), end="")
    if run and not any(not case.skipped for suite in suites for case in suite.cases):
        raise MoorageError(
            f"no test and no case is called {run}", hint="--run takes TEST//CASE, each a regex"
        )
    if any(suite.problem for suite in suites):
        raise typer.Exit(ExitCode.FAILURE)
    if not all(suite.ok for suite in suites):
        raise typer.Exit(ExitCode.FINDINGS)


def _print(suite: Suite, *, verbose: bool) -> None:
    if suite.problem:
        write(f"{paint('broken', 'red')}  {suite.path}")
        write(f"    {suite.problem}")
        return
    ran = [case for case in suite.cases if not case.skipped]
    if suite.failed or verbose or ran:
        word = paint("failed", "red") if suite.failed else paint("passed", "green")
        count = f"{len(ran) - len(suite.failed)} of {len(ran)} case{'' if len(ran) == 1 else 's'}"
        write(f"{word}  {suite.path}  ({count}, {suite.seconds:.2f} s)")
    for case in suite.cases:
        name = f"{case.test}: {case.name}" if case.name else case.test
        if case.problem:
            write(f"    {paint('failed', 'red')} {name}")
            for line in case.problem.splitlines():
                write(f"        {line}")
        elif verbose:
            write(f"    {paint('skipped', 'dim') if case.skipped else paint('passed', 'green')} {name}")


def _summary(suites: Sequence[Suite]) -> str:
    from moorage.reports.words import counted

    cases = [case for suite in suites for case in suite.cases if not case.skipped]
    skipped = sum(case.skipped for suite in suites for case in suite.cases)
    failed = sum(bool(case.problem) for case in cases)
    broken = sum(bool(suite.problem) for suite in suites)
    parts = [counted(len(suites), "suite"), counted(len(cases), "case"), f"{failed} failed"]
    parts += [f"{skipped} skipped"] if skipped else []
    parts += [f"{counted(broken, 'suite')} broken"] if broken else []
    return ", ".join(parts)


def _record(suite: Suite) -> dict[str, Any]:
    return {
        "suite": str(suite.path),
        "ok": suite.ok,
        "problem": suite.problem or None,
        "seconds": suite.seconds,
        "cases": [
            {
                "test": case.test,
                "name": case.name or None,
                "ok": not case.problem,
                "skipped": case.skipped,
                "problem": case.problem or None,
                "seconds": case.seconds,
            }
            for case in suite.cases
        ],
    }


def _junit(suites: Sequence[Suite]) -> str:
    from xml.etree import ElementTree as ET

    from moorage.policies.report.junit import text, xml

    root = ET.Element("testsuites", name="moorage policy verify")
    for suite in suites:
        cases = suite.cases
        found = ET.SubElement(
            root,
            "testsuite",
            name=text(str(suite.path)),
            tests=str(len(cases) + bool(suite.problem)),
            failures=str(len(suite.failed)),
            errors=str(int(bool(suite.problem))),
            skipped=str(sum(case.skipped for case in cases)),
            time=f"{suite.seconds:.3f}",
        )
        for case in cases:
            element = ET.SubElement(
                found,
                "testcase",
                name=text(case.name or case.test),
                classname=text(case.test),
                time=f"{case.seconds:.3f}",
            )
            if case.problem:
                ET.SubElement(element, "failure", message=text(case.problem.splitlines()[0])).text = text(
                    case.problem
                )
            elif case.skipped:
                ET.SubElement(element, "skipped")
        if suite.problem:
            element = ET.SubElement(found, "testcase", name="suite", classname=text(str(suite.path)))
            ET.SubElement(element, "error", message=text(suite.problem))
    return xml(root)
