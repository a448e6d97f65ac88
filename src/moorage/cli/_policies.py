"""Options that commands about policies share."""

from __future__ import annotations

from typing import Annotated

import typer

from moorage.cli._libraries import KEYS

PoliciesOption = Annotated[
    list[str] | None,
    typer.Option("--policies", metavar="DIR", help="A folder of policies beside the others; repeatable."),
]
ImageOption = Annotated[
    list[str] | None,
    typer.Option(
        "--image",
        metavar="REF",
        help="A bundle of policies, by reference or as a file, in place of Moorage's own; repeatable.",
    ),
]
KeyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        envvar=KEYS,
        metavar="FILE",
        help="A public key; bundles have to be signed by one of those that are given.",
    ),
]
OfflineOption = Annotated[
    bool, typer.Option("--offline", help="Be content with bundles that were pulled before; ask nobody.")
]
BuiltinOption = Annotated[
    bool, typer.Option("--builtin/--no-builtin", help="Whether Moorage's own library is there.")
]
ContextOption = Annotated[
    str | None,
    typer.Option(
        "--context",
        metavar="CONTEXT",
        help="A cluster, as the kubeconfig calls it: its namespaces and exceptions count, too.",
    ),
]
KubeconfigOption = Annotated[
    str | None, typer.Option("--kubeconfig", metavar="FILE", help="Where --context is. Default: kubectl's.")
]
