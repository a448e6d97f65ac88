"""``moorage policy``: what the cluster will refuse, told before it does."""

from __future__ import annotations

import typer

from moorage.cli._help import CommandGroup
from moorage.cli.policy_bundle import app as bundle
from moorage.cli.policy_exceptions import exceptions
from moorage.cli.policy_new import new
from moorage.cli.policy_preview import preview
from moorage.cli.policy_report import report
from moorage.cli.policy_show import explain, list_policies
from moorage.cli.policy_test import command as test
from moorage.cli.policy_verify import verify

FILES = "On files"
CLUSTERS = "In clusters"
LIBRARY = "The library"

app = typer.Typer()


@app.callback()
def policy() -> None:
    """What the cluster will refuse, told before it does; and the policies that say so."""


app.command("test", rich_help_panel=FILES)(test())
app.command("exceptions", rich_help_panel=FILES)(exceptions)
app.command("report", rich_help_panel=CLUSTERS)(report)
app.command("preview", rich_help_panel=CLUSTERS)(preview)
app.command("list", rich_help_panel=LIBRARY)(list_policies)
app.command("explain", rich_help_panel=LIBRARY)(explain)
app.command("new", rich_help_panel=LIBRARY)(new)
app.command("verify", rich_help_panel=LIBRARY)(verify)
app.add_typer(
    bundle,
    name="bundle",
    cls=CommandGroup,
    help="Libraries of policies as signed OCI artifacts.",
    rich_help_panel=LIBRARY,
    no_args_is_help=True,
)
