"""A command's flags, declared once: read without typer, which takes longer to load than some commands to run.

Typer is shown the same declaration, for help, completion and the reference.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Annotated, Any, NoReturn

from moorage.errors import MoorageError


class Takes(Enum):
    """What a flag takes."""

    TEXT = auto()
    TEXTS = auto()
    """It may be there several times."""
    NOTHING = auto()
    YES_OR_NO = auto()
    """It stands for yes, and with ``--no-`` for no."""


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag of a command.

    Args:
        name: of the value, in Python.
        spellings: as a person writes it.
        help: what it does.
        metavar: what its value is called.
        takes: what it takes.
        default: its value where it is not there.
        variable: of the environment, that says its only value where the flag is not there.
    """

    name: str
    spellings: tuple[str, ...]
    help: str
    metavar: str = ""
    takes: Takes = Takes.TEXT
    default: str | bool | None = None
    variable: str = ""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the command line of a command is.

    Args:
        command: how it is called, after ``moorage``.
        flags: what may be there.
        words: the name of the list of what else is there.
        words_metavar: what that is called.
        words_help: what that is.
    """

    command: str
    flags: tuple[Flag, ...]
    words: str
    words_metavar: str
    words_help: str

    def parse(self, arguments: Sequence[str], environ: dict[str, str]) -> dict[str, Any]:
        """Return the values of a command line, by name.

        Raises:
            MoorageError: it is not one of this command.
        """
        parser = _Parser(self.command)
        parser.add_argument(self.words, nargs="*")
        for flag in self.flags:
            match flag.takes:
                case Takes.NOTHING:
                    parser.add_argument(*flag.spellings, dest=flag.name, action="store_true")
                case Takes.YES_OR_NO:
                    parser.add_argument(
                        *flag.spellings,
                        dest=flag.name,
                        action=argparse.BooleanOptionalAction,
                        default=flag.default,
                    )
                case Takes.TEXTS:
                    parser.add_argument(*flag.spellings, dest=flag.name, action="append")
                case Takes.TEXT:
                    parser.add_argument(*flag.spellings, dest=flag.name, default=flag.default)
        # What comes after two hyphens is no flag; argparse forgets that where flags and words are mixed.
        end = arguments.index("--") if "--" in arguments else len(arguments)
        found = vars(parser.parse_intermixed_args(list(arguments[:end])))
        found[self.words] += arguments[end + 1 :]
        for flag in self.flags:
            if flag.takes is Takes.TEXTS:
                variable = environ.get(flag.variable) if flag.variable else None
                found[flag.name] = found[flag.name] or ([variable] if variable else [])
        return found

    def as_typer(self, run: Callable[[dict[str, Any]], None], help_text: str) -> Callable[..., None]:
        """Return a function that typer takes for one with these flags; it gives their values to another."""
        import inspect

        import typer

        def command(**values: Any) -> None:
            lists = {flag.name for flag in self.flags if flag.takes is Takes.TEXTS} | {self.words}
            run({name: list(value or ()) if name in lists else value for name, value in values.items()})

        argument = typer.Argument(metavar=self.words_metavar, help=self.words_help)
        kinds: dict[str, Any] = {self.words: Annotated[list[str] | None, argument]}
        defaults: dict[str, Any] = {self.words: None}
        for flag in self.flags:
            kinds[flag.name] = Annotated[_type_of(flag), _option_of(flag)]
            defaults[flag.name] = False if flag.takes is Takes.NOTHING else flag.default
        parameters = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=kind)
            for name, kind in kinds.items()
        ]
        command.__annotations__ = kinds
        command.__doc__ = help_text
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return command


class _Parser(argparse.ArgumentParser):
    def __init__(self, command: str) -> None:
        super().__init__(prog=f"moorage {command}", add_help=False, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise MoorageError(message, hint=f"`{self.prog} --help` shows what there is")


def _type_of(flag: Flag) -> Any:
    if flag.takes is Takes.TEXTS:
        return list[str] | None
    if flag.takes is Takes.TEXT:
        return str if flag.default is not None else str | None
    return bool


def _option_of(flag: Flag) -> Any:
    import typer

    spellings = flag.spellings
    if flag.takes is Takes.YES_OR_NO:
        spellings = tuple(f"{each}/--no-{each.removeprefix('--')}" for each in spellings)
    return typer.Option(
        *spellings, metavar=flag.metavar or None, help=flag.help, envvar=flag.variable or None
    )
