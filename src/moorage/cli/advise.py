"""``moorage advise``: what is granted, asked for or called and should not be."""

from __future__ import annotations

import typer

from moorage.cli._help import CommandGroup
from moorage.cli.advise_apis import command as apis
from moorage.cli.advise_patch import patch
from moorage.cli.advise_permissions import permissions
from moorage.cli.advise_resources import resources

app = typer.Typer(cls=CommandGroup)


@app.callback()
def _advise() -> None:
    """What should change, with the evidence for it and the proof that it is safe."""


app.command("permissions")(permissions)
app.command("resources")(resources)
app.command("apis")(apis())
app.command("patch")(patch)
