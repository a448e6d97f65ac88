"""``moorage policy test``: judge manifests as the cluster would."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from moorage.cli._flags import Declaration, Flag, Takes
from moorage.cli._libraries import LIBRARY_FLAGS, check_namespace, cluster_of, parse_floor, read_libraries
from moorage.cli._needed import get_missing, missing
from moorage.errors import MoorageError

if TYPE_CHECKING:
    from pathlib import Path

    from moorage.cache import Cache
    from moorage.manifests.rendering import ChartOptions
    from moorage.policies.inputs.cluster import Cluster
    from moorage.policies.inputs.gather import Live
    from moorage.policies.report.model import Report
    from moorage.policies.report.testing import Rules

_NARROW, _WIDE = 40, 110


class Format(StrEnum):
    """How a report is printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"
    GITHUB = "github"
    MARKDOWN = "markdown"


@dataclass(frozen=True, slots=True)
class Target:
    """A format, and the file that it goes to; to standard output without one."""

    format: Format
    file: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be judged, and by what: the same for both sides of a change."""

    paths: Sequence[str]
    policies: Sequence[str]
    namespace_files: Sequence[str]
    namespace: str
    charts: ChartOptions
    rules: Callable[[Sequence[str]], Rules]
    keep_going: bool
    live: Live
    cache: Cache


DECLARATION = Declaration(
    "policy test",
    words="paths",
    words_metavar="PATH",
    words_help="Manifests, folders, kustomizations, charts, or - for standard input. Default: this folder.",
    flags=(
        *LIBRARY_FLAGS,
        Flag(
            "chosen",
            ("--set",),
            "A set that judges every namespace, whatever its labels say: enforce (as without an action), "
            "warn or audit; repeatable.",
            "SET[=ACTION]",
            Takes.TEXTS,
        ),
        Flag("target_version", ("--target-version",), "Look ahead to this version of Kubernetes.", "1.38"),
        Flag(
            "namespaces",
            ("--namespaces",),
            "Where Namespaces are that are not judged themselves; repeatable.",
            "PATH",
            Takes.TEXTS,
        ),
        Flag(
            "namespace", ("--namespace", "-n"), "Where objects go that name none.", "NAME", default="default"
        ),
        Flag(
            "context",
            ("--context",),
            "A cluster, as the kubeconfig calls it: its namespaces, its exceptions and what policies read "
            "count, too.",
            "CONTEXT",
        ),
        Flag("kubeconfig", ("--kubeconfig",), "Where --context is. Default: kubectl's.", "FILE"),
        Flag("values", ("--values", "-f"), "Values for charts; repeatable.", "FILE", Takes.TEXTS),
        Flag("value", ("--value",), "One value for charts; repeatable.", "KEY=VALUE", Takes.TEXTS),
        Flag(
            "release",
            ("--release",),
            "Render each chart as this release, with values of its own; repeatable.",
            "NAME[=FILE,...]",
            Takes.TEXTS,
        ),
        Flag(
            "diff_base",
            ("--diff-base",),
            "Judge this version of the files, too; report what is different, and end by that.",
            "GITREF",
        ),
        Flag(
            "approved",
            ("--approved-only",),
            "Exceptions count only when an owner has approved them.",
            takes=Takes.NOTHING,
        ),
        Flag(
            "keep_going",
            ("--keep-going",),
            "Judge the rest when something cannot be judged.",
            takes=Takes.NOTHING,
        ),
        Flag("cache", ("--cache",), "Whether verdicts are remembered.", takes=Takes.YES_OR_NO, default=True),
        Flag(
            "output",
            ("--output", "-o"),
            "text, json, sarif, junit, github or markdown; to a file where one is named; repeatable.",
            "FORMAT[=FILE]",
            Takes.TEXTS,
        ),
    ),
)

HELP = """Judge manifests as the cluster would, and say how to mend them.

What a path is, is found out. Workloads are judged with the Pods that they make. What judges is what
namespaces opted in to (label policy.moorage.dev/SET), and --set; when nothing at all is said, everything.

Ends with 1 when something is refused; with 2 when something could not be judged.

\b
moorage policy test deploy/
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command with a command line of its own, in a process of its own."""
    gc.disable()  # what is read stays until the end; looking through it for garbage takes a third of the time
    return _run(DECLARATION.parse(arguments, dict(os.environ)))


def command() -> Callable[..., None]:
    """Return the command as typer knows it."""

    def run(values: dict[str, Any]) -> None:
        import typer

        raise typer.Exit(_run(values))

    return DECLARATION.as_typer(run, HELP)


def _run(given: Mapping[str, Any]) -> int:
    targets = _targets(given["output"])
    from datetime import UTC, datetime

    from moorage.cache import Cache, cache_folder
    from moorage.manifests.rendering import ChartOptions, Release, parse_release
    from moorage.policies.report.testing import Rules

    floor = parse_floor(given["chosen"])
    now = datetime.now(UTC)
    check_namespace(given["namespace"])
    _check_charts(given)
    if missing(("gator", "helm", "kubectl")):
        get_missing(_programs(given))
    with Cache(cache_folder() if given["cache"] else None) as cache:

        def rules(folders: Sequence[str]) -> Rules:
            libraries = read_libraries(
                folders,
                given["image"],
                keys=given["key"],
                offline=given["offline"],
                builtin=given["builtin"],
                cache=cache,
            )
            return Rules(libraries, now, floor, given["target_version"] or "", approval=given["approved"])

        cluster = cluster_of(given["context"], given["kubeconfig"])
        asked = Asked(
            paths=given["paths"] or ["."],
            policies=given["policies"],
            namespace_files=given["namespaces"],
            namespace=given["namespace"],
            charts=ChartOptions(
                releases=tuple(map(parse_release, given["release"])) or (Release(),),
                values=_paths(given["values"]),
                settings=tuple(given["value"]),
            ),
            rules=rules,
            keep_going=given["keep_going"],
            live=_live(cluster, rules, given["policies"]),
            cache=cache,
        )
        base = given["diff_base"]
        report = _changed(asked, base) if base else _judged(asked)
    for target in targets:
        _print(report, target)
    _tell_failures(report, keep_going=given["keep_going"])
    return report.exit_code


def _programs(given: Mapping[str, Any]) -> Iterator[str]:
    """Yield the programs that a command line needs."""
    from moorage.manifests.discover import What, discover
    from moorage.manifests.model import InputError

    yield "gator"
    if given["context"] is not None:
        yield "kubectl"
    paths = (*(given["paths"] or ["."]), *given["namespaces"])
    found = [each for path in paths for each in discover(path) if not isinstance(each, InputError)]
    renderers = {What.CHART: "helm", What.KUSTOMIZATION: "kubectl"}
    yield from {renderers[each.what] for each in found if each.what in renderers}


def _check_charts(given: Mapping[str, Any]) -> None:
    """Refuse options of charts where there is no chart: whoever gave them thinks that there is one.

    Raises:
        MoorageError: there is none.
    """
    flags = {"--values": given["values"], "--value": given["value"], "--release": given["release"]}
    wanted = [flag for flag, values in flags.items() if values]
    if not wanted:
        return
    from moorage.manifests.discover import What, discover
    from moorage.manifests.model import InputError

    paths = given["paths"] or ["."]
    found = [each for path in paths for each in discover(path)]
    if not any(isinstance(each, InputError) or each.what is What.CHART for each in found):
        raise MoorageError(
            f"{wanted[0]} is for charts, and there is none in {', '.join(paths)}",
            hint="name a folder with a Chart.yaml, or a .tgz",
        )


def _paths(texts: Sequence[str] | None) -> tuple[Path, ...]:
    from pathlib import Path

    return tuple(Path(text) for text in texts or ())


def _targets(texts: Sequence[str] | None) -> list[Target]:
    targets = []
    for text in texts or (Format.TEXT,):
        name, _, file = text.partition("=")
        try:
            targets.append(Target(Format(name), file))
        except ValueError:
            raise MoorageError(f"-o {name} is no format", hint=f"there are {', '.join(Format)}") from None
    if sum(not target.file for target in targets) > 1:
        raise MoorageError(
            "two formats cannot both go to standard output", hint="write -o FORMAT=FILE for one"
        )
    return targets


def _live(cluster: Cluster | None, rules: Callable[[Sequence[str]], Rules], policies: Sequence[str]) -> Live:
    from moorage.policies.inputs.gather import Live

    if cluster is None:
        return Live()
    found = (policy for library in rules(policies).libraries for policy in library.policies.values())
    return cluster.read(kind for policy in found for kind in policy.inventory)


def _judged(asked: Asked) -> Report:
    from moorage.policies.inputs.gather import gather
    from moorage.policies.report.testing import test as judge_inputs

    rules = asked.rules(asked.policies)
    inputs = gather(
        asked.paths,
        namespace=asked.namespace,
        charts=asked.charts,
        namespace_files=asked.namespace_files,
        live=asked.live,
        cache=asked.cache,
    )
    return judge_inputs(inputs, rules, cache=asked.cache, keep_going=asked.keep_going)


def _changed(asked: Asked, ref: str) -> Report:
    """Judge both sides of a change; what cannot be judged on the old one counts as not having been there."""
    from moorage.manifests.history import as_before
    from moorage.policies.report.diff import compare
    from moorage.policies.report.model import Report

    if "-" in asked.paths:
        raise MoorageError(
            "standard input has no other version", hint="name files of the repository with --diff-base"
        )
    head = _judged(asked)
    with as_before(ref) as was:
        before = replace(
            asked,
            paths=was.there(asked.paths),
            policies=was.there(asked.policies),
            namespace_files=was.there(asked.namespace_files),
            keep_going=True,
        )
        base = _judged(before) if before.paths else None
    if base is None:
        return compare(Report(()), head, called=ref)
    lost = tuple(f"in {ref}, and so counted as not there: {failure.message}" for failure in base.failures)
    return replace(compare(base, head, called=ref), notes=(*head.notes, *lost))


def _print(report: Report, target: Target) -> None:
    text = _renderer(target)(report)
    if not target.file:
        sys.stdout.write(text)
        return
    from pathlib import Path

    try:
        Path(target.file).write_text(text, "utf-8")
    except OSError as error:
        raise MoorageError(f"{target.file} cannot be written: {error.strerror or error}") from error


def _renderer(target: Target) -> Callable[[Report], str]:
    from importlib import import_module

    if target.format is Format.TEXT:
        from moorage.policies.report.text import WIDTH, render

        if target.file:
            return render
        if not sys.stdout.isatty():
            return render
        from moorage.cli._output import paint, terminal_width

        return partial(render, width=max(min(terminal_width() or WIDTH, _WIDE), _NARROW), paint=paint)
    module = "as_json" if target.format is Format.JSON else target.format.value
    found: Callable[[Report], str] = import_module(f"moorage.policies.report.{module}").render
    return found


def _tell_failures(report: Report, *, keep_going: bool) -> None:
    """Tell a person what could not be judged: each once, as errors are told."""
    if not report.failures:
        return
    from moorage.cli._output import say

    for failure in report.failures:
        say(f"error: {failure.message}")
        if failure.hint:
            say(f"hint: {failure.hint}")
    if not keep_going:
        say("hint: nothing else was judged; --keep-going judges the rest")
