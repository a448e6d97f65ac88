"""``moorage machinetype``: the sizes of machine on offer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from moorage.cli._output import Output, OutputOption, print_objects

if TYPE_CHECKING:
    from moorage.cli._objects import Object

app = typer.Typer()


@app.callback()
def machine_types() -> None:
    """The sizes of machine on offer."""


@app.command("list")
def list_machine_types(*, output: OutputOption = Output.TABLE) -> None:
    """List the sizes of machine, the smallest first."""
    from moorage.cli._columns import MACHINE_TYPES
    from moorage.cli._run import run

    async def work() -> list[Object]:
        from moorage.cli._edit import machine_types_by_size
        from moorage.cli._run import management

        async with management() as client:
            return await machine_types_by_size(client)

    print_objects(
        run(work()),
        output,
        columns=MACHINE_TYPES,
        nothing="no machine type is offered; the platform team declares them with kubectl",
    )
