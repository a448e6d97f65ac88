"""``moorage advise apis``: what uses versions of APIs that are about to go."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from moorage.cli._flags import Declaration, Flag, Takes
from moorage.errors import MoorageError

if TYPE_CHECKING:
    from datetime import datetime

    from moorage.advisors.advice import Advice
    from moorage.advisors.apis.model import Seen
    from moorage.advisors.apis.table import Table
    from moorage.advisors.apis.versions import Targets
    from moorage.manifests.rendering import ChartOptions

DECLARATION = Declaration(
    "advise apis",
    words="paths",
    words_metavar="PATH",
    words_help="Manifests, folders, kustomizations, charts, or - for standard input. Default: this folder, "
    "unless a cluster or a log is named.",
    flags=(
        Flag(
            "target",
            ("--target",),
            "The version of Kubernetes that is ahead, or (cert-manager=1.6) of what else serves APIs; "
            "repeatable. Default: the next one that is known; of others, their newest.",
            "VERSION",
            Takes.TEXTS,
        ),
        Flag(
            "context",
            ("--context",),
            "A cluster, as the kubeconfig calls it: what was applied with which version, Helm releases, "
            "CRDs, webhooks and the API server's metrics.",
            "CONTEXT",
        ),
        Flag("kubeconfig", ("--kubeconfig",), "Where --context is. Default: kubectl's.", "FILE"),
        Flag(
            "audit_log",
            ("--audit-log",),
            "An audit log, a folder of them, or - : who calls; repeatable.",
            "PATH",
            Takes.TEXTS,
        ),
        Flag("strict", ("--strict",), "End with 1 for what is deprecated, too.", takes=Takes.NOTHING),
        Flag(
            "convert",
            ("--convert",),
            "Have a real API server, started for this alone, convert what it still serves.",
            takes=Takes.NOTHING,
        ),
        Flag("namespace", ("--namespace", "-n"), "Where charts are installed.", "NAME", default="default"),
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
            "cache",
            ("--cache",),
            "Whether it is remembered what files say.",
            takes=Takes.YES_OR_NO,
            default=True,
        ),
        Flag(
            "output",
            ("--output", "-o"),
            "text, json, yaml, sarif, github or markdown.",
            "FORMAT",
            default="text",
        ),
    ),
)

HELP = """Find what uses APIs that go away, who does, and what to use.

Ends with 1 when something uses a version that the target does not serve; with 2 when something could not be
read. What is merely deprecated is told, and ends with 1 with --strict. Nothing is changed anywhere.

\b
moorage advise apis --target 1.38 deploy/
moorage advise apis --context prod --audit-log /var/log/kubernetes
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command with a command line of its own, in a process of its own."""
    gc.disable()  # what is read stays until the end
    return _run(DECLARATION.parse(arguments, dict(os.environ)))


def command() -> Callable[..., None]:
    """Return the command as typer knows it."""

    def run(values: dict[str, Any]) -> None:
        import typer

        raise typer.Exit(_run(values))

    return DECLARATION.as_typer(run, HELP)


def _run(given: Mapping[str, Any]) -> int:
    from moorage.advisors.apis.plan import exit_code, plan
    from moorage.advisors.apis.table import table
    from moorage.advisors.render import Format

    try:
        wanted = Format(given["output"])
    except ValueError:
        raise MoorageError(
            f"-o {given['output']} is no format", hint=f"there are {', '.join(Format)}"
        ) from None
    known = table()
    targets = _targets(given, known)
    paths = given["paths"] or ([] if _elsewhere(given) else ["."])
    if "-" in paths and "-" in given["audit_log"]:
        raise MoorageError(
            "standard input is manifests or the audit log, not both", hint="name a file for one of them"
        )
    seen = _look(paths, given, known)
    converter = _converter(seen, targets, convert=given["convert"])
    advice = plan(seen, targets, known, convert=converter, time=_time(seen))
    _print(advice, wanted)
    _tell(seen)
    return exit_code(advice, seen, strict=given["strict"])


def _elsewhere(given: Mapping[str, Any]) -> bool:
    """Say whether a cluster or a log is named."""
    return given["context"] is not None or bool(given["kubeconfig"] or given["audit_log"])


def _targets(given: Mapping[str, Any], known: Table) -> Targets:
    from moorage.advisors.apis.versions import parse_targets

    ahead = (known.newest[0], known.newest[1] + 1)
    return parse_targets(given["target"], known=known.projects, default=ahead)


def _look(paths: Sequence[str], given: Mapping[str, Any], known: Table) -> Seen:
    from moorage.advisors.apis.model import Seen

    seen = Seen()
    if paths:
        seen += _files(paths, given, known)
    if given["context"] is not None or given["kubeconfig"]:
        from moorage.advisors.apis.cluster import read_cluster

        _get(("kubectl",))
        seen += read_cluster(given["context"] or "", given["kubeconfig"] or "", known)
    if given["audit_log"]:
        from moorage.advisors.apis.calls import read_calls

        seen += read_calls(given["audit_log"], known)
    return seen


def _files(paths: Sequence[str], given: Mapping[str, Any], known: Table) -> Seen:
    from moorage.advisors.apis.files import read_files
    from moorage.cache import Cache, cache_folder

    _get(list(_programs(paths)))
    with Cache(cache_folder() if given["cache"] else None) as cache:
        return read_files(paths, known, cache=cache, namespace=given["namespace"], charts=_charts(given))


def _charts(given: Mapping[str, Any]) -> ChartOptions:
    from pathlib import Path

    from moorage.manifests.rendering import ChartOptions, Release, parse_release

    return ChartOptions(
        releases=tuple(map(parse_release, given["release"])) or (Release(),),
        values=tuple(Path(text) for text in given["values"]),
        settings=tuple(given["value"]),
    )


def _programs(paths: Sequence[str]) -> Iterator[str]:
    """Yield the programs that some paths need."""
    from moorage.manifests.discover import What, discover
    from moorage.manifests.model import InputError

    renderers = {What.CHART: "helm", What.KUSTOMIZATION: "kubectl"}
    found = [each for path in paths for each in discover(path) if not isinstance(each, InputError)]
    yield from {renderers[each.what] for each in found if each.what in renderers}


def _get(programs: Sequence[str]) -> None:
    """Get programs that are not there."""
    if programs:
        from moorage.cli._needed import get_missing

        get_missing(programs)


def _converter(seen: Seen, targets: Targets, *, convert: bool) -> Any:
    """Return what converts the objects that were seen."""
    from moorage.advisors.apis.table import State

    going = [
        each
        for each in seen.sightings
        if each.content is not None and each.api.state(targets) is not State.SERVED
    ]
    if not going:
        return lambda _: None
    from moorage.advisors.apis.fixing import Fixes
    from moorage.advisors.apis.table import read_changes

    fixes = Fixes(going, read_changes())
    if convert:
        from moorage.advisors.apis.convert import PROGRAMS, convert_all
        from moorage.cli._run import run

        _get(PROGRAMS)
        run(fixes.by_server(convert_all))
    else:
        fixes.by_schema()
    return fixes


def _time(seen: Seen) -> datetime | None:
    """Return the time of the evidence: that of the last event of the logs."""
    if "lastEvent" not in seen.facts:
        return None
    from moorage.advisors.apis.calls import time_of

    return time_of(seen.facts["lastEvent"])


def _print(advice: Advice, wanted: Any) -> None:
    from dataclasses import replace

    from moorage.advisors.apis.plan import judged
    from moorage.advisors.render import Format, render

    if wanted is not Format.TEXT:
        sys.stdout.write(render(advice, wanted))
        return
    from moorage.advisors.render import text

    # A person is told of what could not be read as of any error, and not twice.
    advice = replace(advice, notes=judged(advice.notes))
    if not sys.stdout.isatty():
        sys.stdout.write(text.render(advice))
        return
    from moorage.cli._output import paint, terminal_width

    sys.stdout.write(text.render(advice, width=terminal_width() or text.WIDTH, paint=paint))


def _tell(seen: Seen) -> None:
    """Tell a person what could not be read: each once, as errors are told."""
    if not seen.unread:
        return
    from moorage.cli._output import say

    for problem in dict.fromkeys(seen.unread):
        say(f"error: {problem}")
