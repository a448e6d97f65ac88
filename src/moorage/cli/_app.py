"""Which commands there are below ``moorage``."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer

from moorage.cli._help import CommandGroup
from moorage.errors import ExitCode, MoorageError

INTERRUPTED = 130

PLATFORM = "The platform on this machine"
PRODUCT = "Projects and clusters"
ADVICE = "Advice"


class MisuseError(MoorageError):
    """A command line that says something no command understands."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A command, or a group of commands, below ``moorage``.

    Its module is imported only when it is called: ``moorage --help`` names what there is without loading it.

    Args:
        name: What a person types.
        target: The module and the name in it: a `typer.Typer` for a group, a function for one command;
            nothing where the command has a parser of its own.
        help: The line in ``moorage --help``.
        panel: The heading above that line.
    """

    name: str
    target: str
    help: str
    panel: str

    @property
    def is_group(self) -> bool:
        """Whether commands are below it."""
        return self.target.endswith(":app")

    def load(self) -> Any:
        """Import what the entry stands for."""
        module, _, attribute = self.target.partition(":")
        return getattr(import_module(module), attribute)


ENTRIES = (
    Entry("up", "moorage.cli.platform:up", "Start the platform; return when it is ready.", PLATFORM),
    Entry("down", "moorage.cli.platform:down", "Stop the platform; what it stores is kept.", PLATFORM),
    Entry("status", "moorage.cli.platform:status", "Show what runs, and how well.", PLATFORM),
    Entry("logs", "moorage.cli.platform:logs", "Show what a component writes.", PLATFORM),
    Entry("doctor", "moorage.cli.platform:doctor", "Say what is missing or wrong, and the mend.", PLATFORM),
    Entry("demo", "moorage.cli.demo:demo", "Show all of it at work, in two minutes or three.", PLATFORM),
    Entry("tools", "moorage.cli.tools:app", "The upstream programs that the platform runs.", PLATFORM),
    Entry("local", "moorage.cli.local:app", "Faults for the machines of the local provider.", PLATFORM),
    Entry("version", "moorage.cli._app:version", "Print the version, as `--version` does.", PLATFORM),
    Entry("project", "moorage.cli.project:app", "Projects: who may do what, and how much.", PRODUCT),
    Entry("cluster", "moorage.cli.cluster:app", "The clusters of a project.", PRODUCT),
    Entry("pool", "moorage.cli.pool:app", "The node pools of a cluster.", PRODUCT),
    Entry("machinetype", "moorage.cli.machinetype:app", "The sizes of machine on offer.", PRODUCT),
    Entry("policy", "moorage.cli.policy:app", "What the cluster will refuse, told before it does.", PRODUCT),
    Entry("token", "", "Print a token of at most one hour, as kubectl asks for it.", PRODUCT),
    Entry("advise", "moorage.cli.advise:app", "What should change, with evidence and proof.", ADVICE),
    Entry(
        "advice", "moorage.cli.advice:app", "What advisors found in clusters: apply, undo, dismiss.", ADVICE
    ),
)


def build(wanted: str | None = None) -> typer.Typer:
    """Return the command line, with the commands of one entry, or (``None``) of all."""
    app = typer.Typer(
        name="moorage",
        cls=CommandGroup,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for entry in ENTRIES:
        _add(app, entry, load=wanted in (None, entry.name) and bool(entry.target))
    return app


def call(arguments: Sequence[str]) -> int:
    """Run one command line, and return its exit code.

    Raises:
        MisuseError: there is no such command or option, or a value is not one that it takes.
    """
    try:
        code = build(_wanted(arguments))(list(arguments), prog_name="moorage", standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        if context is not None and error.message == context.get_help():
            from moorage.cli._output import say

            say(error.message)
            return ExitCode.FAILURE
        raise _misuse(error.format_message(), context) from None
    if code == INTERRUPTED:  # typer's own answer to Ctrl-C
        raise KeyboardInterrupt
    return code if isinstance(code, int) else ExitCode.OK


def _misuse(message: str, context: Any) -> MisuseError:
    message = " ".join(message.split())
    message = message[:1].lower() + message[1:].rstrip(".")
    for words, better in _CLEARER:
        message = words.sub(better, message)
    hint = f"`{context.command_path} --help` shows what there is" if context is not None else None
    return MisuseError(message, hint=hint)


_CLEARER = (
    (re.compile(r"Value error, "), ""),
    (re.compile(r"Input should be a valid integer, .*"), "it is not a number"),
    (re.compile(r"Input should be"), "it should be"),
    (re.compile(r" \(Possible options: (.+)\)$"), r". Did you mean \1?"),
)
"""What the parsers say, and how it is said to a person."""


def _add(app: typer.Typer, entry: Entry, *, load: bool) -> None:
    loaded = entry.load() if load else None
    if entry.is_group:
        app.add_typer(
            loaded or typer.Typer(),
            name=entry.name,
            cls=CommandGroup,
            help=entry.help,
            rich_help_panel=entry.panel,
            no_args_is_help=True,
        )
    else:
        function = loaded or (lambda: None)
        app.command(entry.name, help=None if loaded else entry.help, rich_help_panel=entry.panel)(function)


def _wanted(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> str:
    """Return which entry a command line calls for, or a line that a shell wants completed; or nothing."""
    if "_MOORAGE_COMPLETE" in environ:
        # bash says the words in one variable, zsh and fish in another.
        line = environ.get("COMP_WORDS") or environ.get("_TYPER_COMPLETE_ARGS") or ""
        arguments = line.split()[1:]
    return next((word for word in arguments if not word.startswith("-")), "")


def version() -> None:
    """Print the version, as `--version` does."""
    from moorage import __version__
    from moorage.cli._output import write

    write(f"moorage {__version__}")


def _print_version(asked: bool) -> None:  # noqa: FBT001 - typer calls it
    if asked:
        version()
        raise typer.Exit


def _root(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """Kubernetes as a Service for a platform team."""
