"""Help in plain text: boxes of a terminal library would take longer to load than most commands to run."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


class CommandGroup(TyperGroup):
    """A group that names its commands in the order they were declared, under the headings they carry."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the signature is given
        """Write the commands, one heading at a time."""
        panels: dict[str, list[tuple[str, str]]] = {}
        visible = {name: command for name, command in self.commands.items() if not command.hidden}
        room = formatter.width - 6 - max(map(len, visible), default=0)
        for name, command in visible.items():
            heading = getattr(command, "rich_help_panel", None)
            panels.setdefault(heading if isinstance(heading, str) else "Commands", []).append(
                (name, command.get_short_help_str(room))
            )
        width = max(map(len, visible), default=0)
        for heading, rows in panels.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), text) for name, text in rows])
