"""``moorage advise permissions``: what RBAC grants and nobody uses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from moorage.advisors.render import Format
from moorage.cli._output import paint, terminal_width, write
from moorage.durations import duration
from moorage.errors import MoorageError

if TYPE_CHECKING:
    from moorage.advisors.permissions.model import Rbac, Usage


def permissions(
    audit_log: Annotated[
        list[str],
        typer.Option(
            "--audit-log", metavar="PATH", help="An audit log, a folder of them, or - ; may be repeated."
        ),
    ],
    rbac: Annotated[
        list[str] | None,
        typer.Option(
            "--rbac", metavar="PATH", help="Manifests of RBAC objects, or a folder; may be repeated."
        ),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A context of the kubeconfig: read RBAC from its cluster."),
    ] = None,
    kubeconfig: Annotated[
        str | None, typer.Option(metavar="FILE", help="Where --context is. Default: kubectl's.")
    ] = None,
    subject: Annotated[
        str, typer.Option(metavar="NAME", help="Only this one: NAMESPACE/SERVICEACCOUNT, a user or a group.")
    ] = "",
    window: Annotated[
        str, typer.Option(metavar="TIME", help="How long something was not used: 30d, 12h, 2w.")
    ] = "30d",
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="How many processes read. Default: one a core.")
    ] = None,
    *,
    output: Annotated[Format, typer.Option("--output", "-o", help="How to print the result.")] = Format.TEXT,
) -> None:
    """Find permissions that nobody uses, and what to put in their place.

    Audit logs are JSON lines as the API server writes them, plain or packed with gzip, also as log services
    wrap them. Level Metadata is enough. Nothing is changed anywhere.

    Exits 1 when there is something to say.
    """
    from moorage.advisors.auditlogs.logs import require_readable
    from moorage.advisors.permissions.observe import read_cluster, read_files
    from moorage.advisors.permissions.plan import Wanted, plan
    from moorage.advisors.permissions.scan import scan
    from moorage.advisors.render import render

    wanted = Wanted(subject=subject, window=_window(window))
    if "-" in audit_log and "-" in (rbac or ()):
        raise MoorageError(
            "standard input is the audit log or RBAC, not both", hint="name a file for one of them"
        )
    if bool(rbac) == bool(context or kubeconfig):
        raise MoorageError(
            "RBAC is read from files or from a cluster",
            hint="name files with --rbac, or a cluster with --context",
        )
    # Whatever is missing is told before anything is read, which may take minutes.
    require_readable(audit_log)
    require_readable(rbac or ())
    granted = read_files(rbac) if rbac else read_cluster(context or "", kubeconfig or "")
    if subject:
        _known(granted, subject)
    usage = scan(audit_log, workers=workers)
    _has_events(usage)
    advice = plan(usage, granted, wanted, now=datetime.now(UTC))
    if output is Format.TEXT:
        from moorage.advisors.render import text

        write(text.render(advice, width=terminal_width() or text.WIDTH, paint=paint), end="")
    else:
        write(render(advice, output), end="")
    raise typer.Exit(advice.exit_code)


def _window(told: str) -> timedelta:
    """Return how long something must not have been used; there is no upper bound but that of the calendar."""
    length = duration(told, name="--window")
    if not length:
        raise MoorageError(f"--window {told} is no time at all", hint="such as 30d, 12h or 2w")
    try:
        datetime.now(UTC) - length
    except OverflowError:
        raise MoorageError(f"--window {told} is longer than anybody keeps logs") from None
    return length


def _known(granted: Rbac, subject: str) -> None:
    from moorage.advisors.permissions.plan import is_wanted
    from moorage.advisors.permissions.use import grants_of

    if not any(is_wanted(grant, subject) for grant in grants_of(granted)):
        raise MoorageError(
            f"nothing is granted to {subject} in {granted.origin}",
            hint="a ServiceAccount is NAMESPACE/NAME; users and groups are named as bindings have them",
        )


def _has_events(usage: Usage) -> None:
    if usage.seen or usage.denied:
        return
    why = f": {usage.problems[0]}" if usage.problems else ""
    raise MoorageError(
        f"there is no audit event in {', '.join(usage.sources)}{why}",
        hint="an audit log is JSON lines, with objects of audit.k8s.io/v1",
    )
