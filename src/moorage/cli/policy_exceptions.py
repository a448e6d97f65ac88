"""``moorage policy exceptions``: what is excepted, by whom, and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from moorage.cli._libraries import check_namespace, cluster_of, read_libraries
from moorage.cli._needed import get_missing
from moorage.cli._output import Column, Output, OutputOption, print_records
from moorage.cli._policies import (
    BuiltinOption,
    ContextOption,
    ImageOption,
    KubeconfigOption,
    PoliciesOption,
)
from moorage.errors import ExitCode, MoorageError

if TYPE_CHECKING:
    from moorage.policies.report.exceptions import Listed

_STYLES = {
    "active": "green",
    "expiring": "yellow",
    "awaiting": "yellow",
    "expired": "red",
    "unused": "red",
    "unknown": "red",
    "broken": "red",
}
_FINE = frozenset({"active", "expiring", "awaiting"})
_COLUMNS = (
    Column("Exception", lambda record: f"{record['namespace']}/{record['name']}"),
    Column("Policy", lambda record: str(record["policy"])),
    Column("For", lambda record: str(record["target"])),
    Column("State", lambda record: str(record["state"]), _STYLES.get),
    Column("Expires", lambda record: str(record["until"])[:10]),
    Column("Owner", lambda record: str(record["owner"])),
    Column("Why", lambda record: str(record["problem"] or record["reason"])),
)


def exceptions(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help="Manifests, folders, kustomizations, charts, or -."),
    ] = None,
    *,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    policies: PoliciesOption = None,
    image: ImageOption = None,
    builtin: BuiltinOption = True,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", metavar="NAME", help="Where objects go that name none.")
    ] = "default",
    output: OutputOption = Output.TABLE,
) -> None:
    """List exceptions, and which of them nobody needs any more.

    Of files, those are unused that no object beside them is meant by; of a cluster, those that it says so of.
    Ends with 1 when one of them is of no use.
    """
    from datetime import UTC, datetime

    from moorage.policies.inputs.gather import Live, gather
    from moorage.policies.report.exceptions import listed

    check_namespace(namespace)
    cluster = cluster_of(context, kubeconfig)
    if not paths and cluster is None:
        raise MoorageError("no exceptions are named", hint="name files, or a cluster with --context")
    if cluster is not None:
        get_missing(["kubectl"])
    libraries = read_libraries(policies, image, builtin=builtin)
    inputs = gather(paths or [], namespace=namespace, live=cluster.read(()) if cluster else Live())
    if inputs.problems:
        raise inputs.problems[0].error
    known = {name for library in libraries for name in library.policies}
    found = listed(inputs, known, datetime.now(UTC))
    print_records(
        [_record(each) for each in found],
        output,
        columns=_COLUMNS,
        name=lambda record: f"{record['namespace']}/{record['name']}",
        nothing="no exceptions",
        whole=True,
    )
    if any(each.state not in _FINE for each in found):
        raise typer.Exit(ExitCode.FINDINGS)


def _record(each: Listed) -> dict[str, Any]:
    return {
        "namespace": each.namespace,
        "name": each.name,
        "policy": each.policy,
        "target": each.target,
        "state": each.state,
        "expires": each.expires,
        "until": each.until,
        "owner": each.owner,
        "reason": each.reason,
        "problem": each.problem,
        "location": each.place or None,
    }
